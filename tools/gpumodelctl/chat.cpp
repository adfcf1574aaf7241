#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "gpumodelctl/generate.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

// One line without its end; nothing at the end of the input.
std::optional<std::string> read_line(bool prompt) {
  if (prompt) {
    fmt::print("> ");
    std::fflush(stdout);
  }
  char* line = nullptr;
  std::size_t room = 0;
  const ssize_t size = getline(&line, &room, stdin);
  std::optional<std::string> text;
  if (size >= 0) {
    text.emplace(line, static_cast<std::size_t>(size));
    if (!text->empty() && text->back() == '\n') text->pop_back();
  }
  std::free(line);
  return text;
}

ordered_json message(const char* role, const std::string& content) {
  return {{"role", role}, {"content", content}};
}

ordered_json beginning(const std::string& system) {
  ordered_json messages = ordered_json::array();
  if (!system.empty()) messages.push_back(message("system", system));
  return messages;
}

}  // namespace

std::string conversation(const std::string& system, const std::string& user) {
  ordered_json messages = beginning(system);
  messages.push_back(message("user", user));
  return json_text(messages);
}

int run_chat(const ChatCommand& command) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  const Client client = connect(command.socket);
  Lease lease;
  {
    const InterruptGuard guard(client.get());
    lease = acquire(client.get(), command.model, command.wait_ms);
  }
  if (terminal)
    fmt::print(stderr, "{} is ready. Ctrl-C stops an answer, Ctrl-D ends the conversation.\n",
               command.model);

  ordered_json messages = beginning(command.system);
  while (const auto line = read_line(terminal && !command.json)) {
    if (line->empty()) continue;
    messages.push_back(message("user", *line));
    const std::string text = json_text(messages);
    gm_request request = command.sampling.request();
    request.messages_json = text.c_str();
    const InterruptGuard guard(client.get());
    const Generated answer = generate(lease.get(), request, /*echo=*/!command.json);
    fmt::print("{}\n", command.json ? json_text(to_json(answer, false, 0)) : "");
    std::fflush(stdout);
    messages.push_back(message("assistant", answer.text));
  }
  if (terminal && !command.json) fmt::print("\n");
  release(lease.get());
  return kExitDone;
}

}  // namespace gpumodelctl
