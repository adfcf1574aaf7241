#include "gpumodelctl/sampling_options.hpp"

namespace gpumodelctl {

void add_sampling(Arguments command, Sampling& sampling) {
  command
      .add_option("--max-tokens", sampling.max_tokens,
                  "most tokens to generate; default: as many as the context allows")
      .type_name("N")
      .range(1, INT32_MAX);
  command.add_option("--temperature", sampling.temperature, "0: greedy; default: the model's own")
      .type_name("X")
      .range(0.0, 100.0);
  command.add_option("--top-p", sampling.top_p, "nucleus, above 0 to 1")
      .type_name("X")
      .range(0.0, 1.0);
  command.add_option("--top-k", sampling.top_k, "only the K likeliest; 0: all")
      .type_name("K")
      .range(0, INT32_MAX);
  command.add_option("--min-p", sampling.min_p, "least share of the likeliest token's probability")
      .type_name("X")
      .range(0.0, 1.0);
  command
      .add_option("--repetition-penalty", sampling.repetition_penalty,
                  "above 1 discourages repetition")
      .type_name("X")
      .range(0.0, 100.0);
  command.add_option("--presence-penalty", sampling.presence_penalty, "-2 to 2")
      .type_name("X")
      .range(-2.0, 2.0);
  command.add_option("--frequency-penalty", sampling.frequency_penalty, "-2 to 2")
      .type_name("X")
      .range(-2.0, 2.0);
  command.add_option("--seed", sampling.seed, "same seed, same text; default: a fresh one")
      .type_name("N")
      .not_negative();
  command.add_option("--stop", sampling.stop, "end before this text; may be given several times")
      .type_name("TEXT")
      .one_value();
  command.add_flag("--ignore-eos", sampling.ignore_eos, "go on past the model's own end");
  command
      .add_option("--deadline", sampling.deadline_ms, "end after MS milliseconds, waiting included")
      .type_name("MS");
}

void add_lease_wait(Arguments command, double& wait_seconds) {
  add_wait(command, wait_seconds,
           "queue at most this long for a lease; default: the daemon's max_wait");
}

}  // namespace gpumodelctl
