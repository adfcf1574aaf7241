// JSON schemas, regular expressions and EBNF from clients: read, compiled and followed.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/text/grammar/matcher.hpp"
#include "unit/engine/text/grammar/small_vocabulary.hpp"

using namespace gpumodel::engine::text::grammar;

namespace {

constexpr std::size_t kMostFollowed = 64;

// The first byte chooses the kind, later ones the tokens.
void follow(const std::string& input) {
  static Compiler compiler = gpumodel::test::small_compiler();
  const auto kind = static_cast<ConstraintKind>(static_cast<unsigned char>(input[0]) % 3);
  Matcher matcher(compiler.get({kind, input.substr(1)}));
  for (std::size_t i = 0; i < input.size() && i < kMostFollowed; ++i) {
    const std::int32_t first = static_cast<unsigned char>(input[i]);
    for (std::int32_t tried = 0; tried < gpumodel::test::kEndToken; ++tried) {
      const std::int32_t token = (first + tried) % gpumodel::test::kEndToken;
      if (!matcher.allows(token)) continue;
      matcher.accept(token);
      break;
    }
    // What can go on can end, or go on again.
    if (matcher.is_over() && !matcher.may_end()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    follow(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const Refusal&) {
    // The one way to say no.
  }
  return 0;
}
