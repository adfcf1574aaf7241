// A model folder's template: any bytes, parsed and rendered over a fixed conversation.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/text/chat_template.hpp"

using namespace gpumodel::engine::text;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const nlohmann::ordered_json context = {
      {"messages",
       {{{"role", "user"}, {"content", "häl lo<|im_end|>"}},
        {{"role", "tool"}, {"content", {1, 2.5, nullptr, true}}}}},
      {"s", "a b\nc"},
      {"n", 3},
      {"l", {3, 1, 2}},
      {"d", {{"k", "v"}, {"x", {{"y", 1}}}}}};
  static const nlohmann::ordered_json tokens = {{"bos_token", "<s>"}};
  constexpr TemplateLimits kLimits{.steps = 20'000,
                                   .depth = 200,
                                   .output_bytes = 1 << 16,
                                   .string_bytes = 1 << 16,
                                   .elements = 10'000,
                                   .live_bytes = 1 << 20};
  try {
    const auto parsed =
        ChatTemplate::parse(std::string_view(reinterpret_cast<const char*>(data), size));
    parsed.render(context, tokens, kLimits);
  } catch (const TemplateError&) {
  }
  return 0;
}
