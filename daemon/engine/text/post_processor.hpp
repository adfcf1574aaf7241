// The "post_processor" of tokenizer.json: the tokens around a text.
#pragma once

#include <cstdint>
#include <vector>

namespace gpumodel::engine::text {

class JsonNode;

// What add_special adds before and behind the tokens of one text.
struct PostProcessor {
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> behind;

  // TemplateProcessing (its "single"), ByteLevel, which adds nothing, a Sequence with at most one
  // TemplateProcessing, or null. Throws BadModel for any other type.
  static PostProcessor parse(const JsonNode& node);
};

}  // namespace gpumodel::engine::text
