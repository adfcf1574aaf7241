// The options of Metaspace, which both a pre-tokenizer and a decoder have.
#pragma once

#include <string>

namespace gpumodel::engine::text {

class JsonNode;

struct Metaspace {
  enum class Scheme { kAlways, kFirst, kNever };

  // The older add_prefix_space is read too; str_rep is ignored, as in `tokenizers`. Throws
  // BadModel.
  static Metaspace parse(const JsonNode& node);

  std::string replacement;  // one character
  Scheme scheme = Scheme::kAlways;
  bool split = true;
};

}  // namespace gpumodel::engine::text
