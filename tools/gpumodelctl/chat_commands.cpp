// chat, and run, which is what Ollama's users type.
#include <unistd.h>

#include "gpumodelctl/sampling_options.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

struct Options {
  ChatCommand chat;
  std::vector<std::string> prompt;
  double wait = -1;
};

std::shared_ptr<Options> add_chat_options(Arguments command) {
  auto options = std::make_shared<Options>();
  command.add_option("model", options->chat.model, "a configured model's name")
      .required()
      .type_name("MODEL");
  command.add_option("--system", options->chat.system, "the system message").type_name("TEXT");
  add_sampling(command, options->chat.sampling);
  add_lease_wait(command, options->wait);
  return options;
}

int chat(const Common& common, Options& options) {
  options.chat.socket = common.socket;
  options.chat.json = common.json;
  options.chat.wait_ms = wait_ms(options.wait);
  return run_chat(options.chat);
}

// Words that the shell has taken apart.
std::string sentence(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

int answer_once(const Common& common, const Options& options, const std::string& prompt) {
  GenerateCommand command;
  command.socket = common.socket;
  command.json = common.json;
  command.model = options.chat.model;
  command.messages = conversation(options.chat.system, prompt);
  command.sampling = options.chat.sampling;
  command.wait_ms = wait_ms(options.wait);
  return run_generate(command);
}

Command chat_command(CLI::App& app, Common& common) {
  Arguments command = add_command(
      app, common, "chat",
      "A conversation on the terminal; from a pipe each line is a message. With --json each answer "
      "is one object on a line.",
      "  gpumodelctl chat concept --system \"Answer in one line.\"\n");
  const auto options = add_chat_options(command);
  return {command, [&common, options] { return chat(common, *options); }};
}

Command run_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "run",
                  "As Ollama has it: with a PROMPT, or one from a pipe, the model answers it once; "
                  "else this is "
                  "chat.\n"
                  "The prompt is a user's message, through the model's chat template.",
                  "  gpumodelctl run concept \"Why is the sky blue?\"\n"
                  "  gpumodelctl run concept < question.txt\n"
                  "  gpumodelctl run concept\n");
  const auto options = add_chat_options(command);
  command.add_option("prompt", options->prompt, "what to answer; several words are one prompt")
      .type_name("PROMPT");
  return {command, [&common, options] {
            if (!options->prompt.empty())
              return answer_once(common, *options, sentence(options->prompt));
            if (isatty(STDIN_FILENO) == 0) return answer_once(common, *options, read_input("-"));
            return chat(common, *options);
          }};
}

}  // namespace

void add_chat_commands(CLI::App& app, Common& common, std::vector<Command>& out) {
  out.push_back(chat_command(app, common));
  out.push_back(run_command(app, common));
}

}  // namespace gpumodelctl
