// gpumodelctl: gpumodeld from the shell, over gpumodel.h alone.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <thread>

#include "gpumodelctl/generate.hpp"
#include "gpumodelctl/report.hpp"
#include "gpumodelctl/session.hpp"
#include "gpumodelctl/text.hpp"

namespace {

using namespace gpumodelctl;

struct Common {
  std::string socket;
  bool json = false;
};

struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 no daemon, 4 denied, 5 busy or timed out, 130 interrupted.\n"
    "Environment: GPUMODEL_SOCKET, the daemon's socket where --socket is not given.";

CLI::App* add_command(CLI::App& app, Common& common, const char* name, const char* about, bool with_json = true) {
  CLI::App* command = app.add_subcommand(name, about);
  command->add_option("--socket", common.socket, "the daemon's socket")->type_name("PATH");
  if (with_json) command->add_flag("--json", common.json, "machine-readable output, errors included");
  command->footer(kFooter);
  return command;
}

void add_sampling(CLI::App* command, Sampling& sampling) {
  command->add_option("--max-tokens", sampling.max_tokens, "most tokens to generate; default: as many as the context allows")
      ->type_name("N")->check(CLI::Range(1, INT32_MAX));
  command->add_option("--temperature", sampling.temperature, "0: greedy; default: the model's own")
      ->type_name("X")->check(CLI::Range(0.0, 100.0));
  command->add_option("--top-p", sampling.top_p, "nucleus, above 0 to 1")
      ->type_name("X")->check(CLI::Range(0.0, 1.0));
  command->add_option("--top-k", sampling.top_k, "only the K likeliest; 0: all")
      ->type_name("K")->check(CLI::Range(0, INT32_MAX));
  command->add_option("--min-p", sampling.min_p, "least share of the likeliest token's probability")
      ->type_name("X")->check(CLI::Range(0.0, 1.0));
  command->add_option("--repetition-penalty", sampling.repetition_penalty, "above 1 discourages repetition")
      ->type_name("X")->check(CLI::Range(0.0, 100.0));
  command->add_option("--presence-penalty", sampling.presence_penalty, "-2 to 2")
      ->type_name("X")->check(CLI::Range(-2.0, 2.0));
  command->add_option("--frequency-penalty", sampling.frequency_penalty, "-2 to 2")
      ->type_name("X")->check(CLI::Range(-2.0, 2.0));
  command->add_option("--seed", sampling.seed, "same seed, same text; default: a fresh one")
      ->type_name("N")->check(CLI::NonNegativeNumber);
  command->add_option("--stop", sampling.stop, "end before this text; may be given several times")
      ->type_name("TEXT")->allow_extra_args(false);
  command->add_flag("--ignore-eos", sampling.ignore_eos, "go on past the model's own end");
  command->add_option("--deadline", sampling.deadline_ms, "end after MS milliseconds, waiting included")
      ->type_name("MS");
}

void add_wait(CLI::App* command, double& wait_seconds) {
  command->add_option("--wait", wait_seconds, "queue at most this long for a lease; default: the daemon's max_wait")
      ->type_name("SECONDS")->check(CLI::NonNegativeNumber);
}

int wait_ms(double seconds) {
  constexpr double kMost = 2'000'000;
  return seconds < 0 ? GM_WAIT_FOREVER : static_cast<int>(1000 * std::min(seconds, kMost));
}

int report(const Common& common, const char* method, std::string (*words)(const nlohmann::ordered_json&),
           double watch_seconds) {
  const Client client = connect(common.socket);
  for (;;) {
    const auto answer = call(client.get(), method, nlohmann::ordered_json::object());
    const std::string text = common.json ? answer.dump() + '\n' : words(answer);
    const bool redraw = watch_seconds > 0 && !common.json && isatty(STDOUT_FILENO);
    fmt::print("{}{}", redraw ? "\033[H\033[2J" : "", text);
    std::fflush(stdout);
    if (watch_seconds <= 0) return kExitDone;
    std::this_thread::sleep_for(std::chrono::duration<double>(watch_seconds));
  }
}

Command status_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "status", "Devices, models, leases and the queue");
  auto watch = std::make_shared<double>(0);
  command->add_option("--watch", *watch, "show it again every SECONDS (2)")
      ->type_name("SECONDS")->expected(0, 1)->default_str("2")->check(CLI::PositiveNumber);
  return {command, [&common, watch] { return report(common, "status", status_text, *watch); }};
}

Command models_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "models", "The configured models and their states");
  return {command, [&common] { return report(common, "models", models_text, 0); }};
}

Command generate_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "generate",
                                  "Lease a model, generate once, release it.\n"
                                  "Without --prompt, --tokens and --messages the prompt is read from standard input.");
  auto options = std::make_shared<GenerateCommand>();
  auto tokens = std::make_shared<std::string>();
  auto wait = std::make_shared<double>(-1);
  command->add_option("model", options->model, "a configured model's name")->required()->type_name("MODEL");
  auto* source = command->add_option_group("input");
  auto* prompt = source->add_option("--prompt", options->prompt, "text, with the special tokens that the tokenizer adds")
                     ->type_name("TEXT");
  source->add_option("--tokens", *tokens, "token ids, as they are")->type_name("1,2,3");
  source->add_option("--messages", options->messages_file,
                     "a file (- for standard input) with a JSON array of messages, or an object with `messages`, "
                     "through the chat template")->type_name("FILE");
  source->require_option(0, 1);
  add_sampling(command, options->sampling);
  add_wait(command, *wait);
  command->add_flag("--logprobs", options->logprobs, "the log-probability of each token");
  command->add_option("--top-logprobs", options->top_logprobs, "with --json: the N likeliest for each token")
      ->type_name("N")->check(CLI::Range(0, 20));
  return {command, [&common, options, tokens, wait, prompt] {
            options->socket = common.socket;
            options->json = common.json;
            options->has_prompt = prompt->count() != 0;
            if (!tokens->empty()) options->tokens = parse_tokens(*tokens);
            options->wait_ms = wait_ms(*wait);
            return run_generate(*options);
          }};
}

Command chat_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "chat", "A conversation on the terminal", /*with_json=*/false);
  auto options = std::make_shared<ChatCommand>();
  auto wait = std::make_shared<double>(-1);
  command->add_option("model", options->model, "a configured model's name")->required()->type_name("MODEL");
  command->add_option("--system", options->system, "the system message")->type_name("TEXT");
  add_sampling(command, options->sampling);
  add_wait(command, *wait);
  return {command, [&common, options, wait] {
            options->socket = common.socket;
            options->wait_ms = wait_ms(*wait);
            return run_chat(*options);
          }};
}

Command tokenize_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "tokenize",
                                  "Text to token ids. Without TEXT and --file it is read from standard input.");
  struct Options { std::string model, text, file = "-"; bool special = false; };
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "a configured model's name")->required()->type_name("MODEL");
  auto* text = command->add_option("text", options->text, "the text")->type_name("TEXT");
  command->add_option("--file", options->file, "a file with the text")->type_name("FILE")->excludes(text);
  command->add_flag("--special", options->special, "add the special tokens that the tokenizer adds to a prompt");
  return {command, [&common, options, text] {
            return run_tokenize(common.socket, options->model,
                                text->count() != 0 ? options->text : read_input(options->file),
                                options->special, common.json);
          }};
}

Command detokenize_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "detokenize", "Token ids to text");
  struct Options { std::string model, tokens; };
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "a configured model's name")->required()->type_name("MODEL");
  command->add_option("--tokens", options->tokens, "token ids")->required()->type_name("1,2,3");
  return {command, [&common, options] {
            return run_detokenize(common.socket, options->model, parse_tokens(options->tokens), common.json);
          }};
}

Command render_command(CLI::App& app, Common& common) {
  CLI::App* command = add_command(app, common, "render", "What a model is given for these messages");
  struct Options { std::string model, file; };
  auto options = std::make_shared<Options>();
  command->add_option("model", options->model, "a configured model's name")->required()->type_name("MODEL");
  command->add_option("file", options->file,
                      "a JSON array of messages, or an object with `messages`, `tools`, `add_generation_prompt` and "
                      "other template values; - for standard input")->required()->type_name("FILE");
  return {command, [&common, options] {
            return run_render(common.socket, options->model, read_input(options->file), common.json);
          }};
}

// CLI11 prints its own errors and help; with --json an error is still one JSON object on stdout.
int parse_error(const CLI::App& app, const CLI::ParseError& error, bool json) {
  if (error.get_exit_code() == 0) return app.exit(error);
  if (json) {
    print_failure(usage_failure(error.what()), true);
  } else {
    fmt::print(stderr, "gpumodelctl: {}\nSee gpumodelctl --help.\n", error.what());
  }
  return kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Lease language models from gpumodeld, from the shell.", "gpumodelctl");
  app.set_version_flag("--version", "gpumodelctl " GPUMODEL_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  Common common;
  app.add_option("--socket", common.socket, "the daemon's socket")->type_name("PATH");
  app.add_flag("--json", common.json, "machine-readable output, errors included");
  const Command commands[] = {status_command(app, common),   models_command(app, common),
                              generate_command(app, common), chat_command(app, common),
                              tokenize_command(app, common), detokenize_command(app, common),
                              render_command(app, common)};
  try {
    app.parse(argc, argv);
    for (const Command& command : commands)
      if (command.app->parsed()) return command.run();
  } catch (const CLI::ParseError& error) {
    const bool json = std::any_of(argv, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
    return parse_error(app, error, json);
  } catch (const Failure& failure) {
    print_failure(failure, common.json);
    return failure.exit;
  } catch (const std::exception& error) {
    print_failure(Failure(kExitFailed, usage_failure(error.what()).error), common.json);
    return kExitFailed;
  }
  return kExitFailed;
}
