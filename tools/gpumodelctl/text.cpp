#include "gpumodelctl/text.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cstdio>

#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

void print_text(const ordered_json& result, bool json) {
  if (json) {
    fmt::print("{}\n", result.dump());
    return;
  }
  const std::string& text = result.at("text").get_ref<const std::string&>();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace

std::vector<std::int32_t> parse_tokens(const std::string& text) {
  std::vector<std::int32_t> tokens;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (*at == ',' || *at == ' ' || *at == '\n' || *at == '\t') {
      ++at;
      continue;
    }
    std::int32_t token = 0;
    const auto [next, error] = std::from_chars(at, end, token);
    const bool separated =
        next == end || *next == ',' || *next == ' ' || *next == '\n' || *next == '\t';
    if (error != std::errc() || token < 0 || !separated)
      throw usage_failure(fmt::format("--tokens takes token ids such as 1,2,3, not \"{}\"", text));
    tokens.push_back(token);
    at = next;
  }
  if (tokens.empty()) throw usage_failure("--tokens needs at least one token id");
  return tokens;
}

int run_tokenize(const std::string& socket, const std::string& model, const std::string& text,
                 bool special, bool json) {
  const Client client = connect(socket);
  const ordered_json result =
      call(client.get(), "tokenize", {{"model", model}, {"text", text}, {"special", special}});
  if (json) {
    fmt::print("{}\n", result.dump());
  } else {
    fmt::print("{}\n", fmt::join(result.at("tokens").get<std::vector<std::int32_t>>(), ","));
  }
  return kExitDone;
}

int run_detokenize(const std::string& socket, const std::string& model,
                   const std::vector<std::int32_t>& tokens, bool json) {
  const Client client = connect(socket);
  print_text(call(client.get(), "detokenize", {{"model", model}, {"tokens", tokens}}), json);
  return kExitDone;
}

int run_render(const std::string& socket, const std::string& model, const std::string& messages,
               bool json) {
  const Client client = connect(socket);
  print_text(call(client.get(), "render", {{"model", model}, {"messages_json", messages}}), json);
  return kExitDone;
}

}  // namespace gpumodelctl
