#include "gpumodelctl/completion.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

bool is_hidden(const CLI::App& app) { return app.get_group().empty(); }

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> out;
  // Those of a group, such as generate's input, belong to a nameless inner parser.
  for (const CLI::App* inner :
       app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); })) {
    const auto more = options_of(*inner);
    out.insert(out.end(), more.begin(), more.end());
  }
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

const CLI::Option* find_option(const CLI::App& app, const std::string& word) {
  for (const CLI::App* inner :
       app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
    if (const CLI::Option* found = find_option(*inner, word)) return found;
  for (const CLI::Option* option : app.get_options())
    if (option->check_lname(word.rfind("--", 0) == 0 ? word.substr(2) : "")) return option;
  return nullptr;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!word.empty() && sub->get_name() == word) return sub;
  return nullptr;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!is_hidden(*sub)) out.push_back(sub->get_name());
  return out;
}

// The kind of the positional that `given` others precede; of a list every further one.
std::string positional_kind(const CLI::App& app, std::size_t given) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    if (given == 0 || option->get_expected_max() > 1) return option->get_type_name();
    --given;
  }
  return "";
}

}  // namespace

Candidates complete(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* parser = &app;
  const CLI::Option* expects_value = nullptr;
  std::size_t positionals = 0;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (expects_value != nullptr) {
      expects_value = nullptr;
    } else if (const CLI::Option* option = find_option(*parser, words[i])) {
      if (option->get_expected_min() > 0 && option->get_type_size() > 0) expects_value = option;
    } else if (words[i].rfind('-', 0) == 0) {
      continue;
    } else if (const CLI::App* command = parser == &app ? find_command(app, words[i]) : nullptr) {
      parser = command;
    } else {
      ++positionals;
    }
  }
  if (expects_value != nullptr) return {{}, expects_value->get_type_name()};
  if (!words.empty() && words.back().rfind('-', 0) == 0) return {options_of(*parser), ""};
  if (parser == &app) return {commands_of(app), ""};
  return {{}, positional_kind(*parser, positionals)};
}

std::vector<std::string> names_of(const std::string& kind, const std::string& socket) {
  constexpr std::chrono::milliseconds kPatience{200};
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const auto left_ms = [&] {
    const auto left = until - std::chrono::steady_clock::now();
    return static_cast<int>(std::max<std::int64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(left).count(), 0));
  };
  struct Source {
    const char* method;
    const char* rows;
    const char* name;
  };
  const Source source = kind == "MODEL"    ? Source{"models", "models", "name"}
                        : kind == "DEVICE" ? Source{"status", "devices", "name"}
                        : kind == "LEASE"  ? Source{"status", "leases", "id"}
                                           : Source{nullptr, nullptr, nullptr};
  std::vector<std::string> names;
  if (source.method == nullptr) return names;
  try {
    const Client client = connect(socket, nullptr, nullptr, left_ms());
    const auto answer = call(client.get(), source.method, ordered_json::object(), left_ms());
    for (const auto& row : at(answer, source.rows)) names.push_back(words(at(row, source.name)));
  } catch (const Failure&) {  // nothing to offer is no failure of the shell's
  }
  return names;
}

void add_complete_command(CLI::App& app, Common& common, std::vector<Command>& out) {
  CLI::App* command = app.add_subcommand("complete", "For the completion of shells");
  command->group("");
  out.push_back({Arguments(command), [&app, &common] {
                   const auto& words = common.child;
                   std::string socket = common.socket;
                   for (std::size_t i = 0; i + 2 < words.size(); ++i)
                     if (words[i] == "--socket") socket = words[i + 1];
                   const Candidates found = complete(app, words);
                   for (const std::string& word : found.words) fmt::print("{}\n", word);
                   for (const std::string& name : names_of(found.kind, socket))
                     fmt::print("{}\n", name);
                   return kExitDone;
                 }});
}

}  // namespace gpumodelctl
