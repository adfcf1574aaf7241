// Requests of gpumodel-openai: bodies of both endpoints, and texts in which tool calls are sought.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gpumodel-openai/api_request.hpp"
#include "gpumodel-openai/tool_calls.hpp"

using namespace gpumodel_openai;

namespace {

void read_request(Endpoint endpoint, std::string_view body) {
  try {
    parse_request(endpoint, body);
  } catch (const ApiError& error) {
    error.body();
  }
}

void seek_calls(std::string_view text, std::size_t piece) {
  ToolCallParser parser;
  std::size_t content = 0;
  bool has_calls = false;
  const auto add = [&](const ToolPiece& part) {
    content += part.content.size();
    has_calls = has_calls || !part.calls.empty();
  };
  for (std::size_t at = 0; at < text.size(); at += piece) add(parser.push(text.substr(at, piece)));
  add(parser.finish());
  if (!has_calls && content != text.size()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 2)
    seek_calls(rest, 1 + data[0] / 3);
  else
    read_request(data[0] % 3 == 0 ? Endpoint::chat : Endpoint::completions, rest);
  return 0;
}
