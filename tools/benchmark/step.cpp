// bench_step MODEL DTYPE SEQUENCES ROWS CONTEXT STEPS [--profile]: the decoder alone. Steps of
// SEQUENCES sequences with ROWS rows each, behind CONTEXT tokens that are there already: ROWS 1 is
// decoding, SEQUENCES 1 with many ROWS a prompt. Prints {"backend", "step_ms": {"median", "least"},
// "rows_per_s", "weights_bytes", "kv_bytes_per_token"}, with --profile also "operations": each
// operation's share of the time, in milliseconds per step.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <vector>

#include "benchmark/bare_engine.hpp"
#include "benchmark/profiled_backend.hpp"
#include "engine/model/needs.hpp"

namespace {

using namespace gpumodel;
using namespace gpumodel::engine;

struct Options {
  std::string folder;
  std::string dtype;
  std::int32_t sequences = 1;
  std::int32_t rows = 1;
  std::int32_t context = 0;
  std::int32_t steps = 1;
  bool profile = false;
};

// Any token but the special ones that come first.
std::int32_t some_token(std::int64_t index, std::int32_t vocab_size) {
  return static_cast<std::int32_t>(100 + index * 7919 % (vocab_size - 100));
}

class Batch {
 public:
  Batch(bench::BareEngine& engine, const Options& options) : engine_(engine), options_(options) {
    const std::int32_t most = std::max<std::int32_t>(options.rows, 256);
    for (std::int32_t i = 0; i < most; ++i)
      tokens_.push_back(some_token(i, engine.source().config.vocab_size));
    for (std::int32_t i = 0; i < options.sequences; ++i) {
      tables_.emplace_back(engine.pool());
      if (!tables_.back().reserve(options.context + options.rows)) std::abort();
    }
    fill();
  }

  // Computes the same rows each time, as a context that grows would be another measurement.
  void run() {
    steps_.clear();
    for (const kv::PageTable& table : tables_)
      steps_.push_back({std::span(tokens_).first(static_cast<std::size_t>(options_.rows)),
                        options_.context, table.pages(), 1});
    engine_.decoder().step({steps_});
  }

 private:
  void fill() {
    for (const kv::PageTable& table : tables_)
      for (std::int32_t done = 0; done < options_.context;) {
        const std::int32_t now = std::min(256, options_.context - done);
        const model::SequenceStep step{std::span(tokens_).first(static_cast<std::size_t>(now)),
                                       done, table.pages(), 0};
        engine_.decoder().step({{&step, 1}});
        done += now;
      }
  }

  bench::BareEngine& engine_;
  const Options& options_;
  std::vector<std::int32_t> tokens_;
  std::vector<kv::PageTable> tables_;
  std::vector<model::SequenceStep> steps_;
};

std::vector<double> measure(Batch& batch, std::int32_t steps) {
  std::vector<double> ms;
  for (std::int32_t i = 0; i < steps; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    batch.run();
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
                     .count());
  }
  std::sort(ms.begin(), ms.end());
  return ms;
}

void print_operations(const bench::ProfiledBackend& backend, std::int32_t steps) {
  std::printf(", \"operations\": {");
  for (std::size_t i = 0; i < std::size(bench::ProfiledBackend::kNames); ++i)
    std::printf("%s\"%s\": %.4f", i == 0 ? "" : ", ", bench::ProfiledBackend::kNames[i],
                1000 * backend.seconds(i) / steps);
  std::printf("}");
}

void run(const Options& options) {
  const auto own = bench::best_backend();
  std::optional<bench::ProfiledBackend> profiled;
  device::Backend* backend = own.get();
  if (options.profile) {
    const auto source = model::open_source(options.folder, options.dtype);
    backend = &profiled.emplace(*own, source.config.vocab_size);
  }
  const std::int64_t tokens =
      options.sequences * kv::pages_for(options.context + options.rows) * kv::kPageTokens;
  bench::BareEngine engine(options.folder, options.dtype, tokens, *backend);
  Batch batch(engine, options);
  measure(batch, 2);  // warms up
  if (profiled) profiled->reset();
  const std::vector<double> ms = measure(batch, options.steps);
  const double median = ms[ms.size() / 2];
  std::printf(
      "{\"backend\": \"%s\", \"step_ms\": {\"median\": %.4f, \"least\": %.4f}, "
      "\"rows_per_s\": %.1f, \"weights_bytes\": %llu, \"kv_bytes_per_token\": %llu",
      backend->name(), median, ms.front(), 1000.0 * options.sequences * options.rows / median,
      static_cast<unsigned long long>(engine.source().layout.tensor_bytes),
      static_cast<unsigned long long>(engine.source().needs.kv_bytes_per_token));
  if (profiled) print_operations(*profiled, options.steps);
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) try {
  const bool profile = argc == 8 && std::strcmp(argv[7], "--profile") == 0;
  if (argc != 7 && !profile) {
    std::fputs("usage: bench_step MODEL DTYPE SEQUENCES ROWS CONTEXT STEPS [--profile]\n", stderr);
    return 2;
  }
  const Options options{argv[1],
                        argv[2],
                        std::atoi(argv[3]),
                        std::atoi(argv[4]),
                        std::atoi(argv[5]),
                        std::atoi(argv[6]),
                        profile};
  const bool fits = options.sequences >= 1 && options.sequences <= model::kMaxLogitRows &&
                    options.rows >= 1 && options.context >= 0 && options.steps >= 1 &&
                    std::int64_t{options.sequences} * options.rows <= model::kMaxStepRows;
  if (!fits) {
    std::fputs("bench_step: more rows than a step has, or none\n", stderr);
    return 2;
  }
  run(options);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "bench_step: %s\n", error.what());
  return 1;
}
