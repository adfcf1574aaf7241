// Any bytes as tokenizer.json: refused with BadModel, or a tokenizer that encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "engine/io/bad_model.hpp"
#include "engine/text/regex.hpp"
#include "engine/text/tokenizer.hpp"

using gpumodel::engine::BadModel;
using gpumodel::engine::text::RegexGaveUp;
using gpumodel::engine::text::Segment;
using gpumodel::engine::text::Tokenizer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const Tokenizer tokenizer = Tokenizer::parse(input);
    const Segment segments[] = {{"a the <unk> 12 ", true},
                                {"e\u0301 \u4E2D<unk>\U0001F600 ab\n", false}};
    const auto ids = tokenizer.encode(segments, true);
    for (const std::int32_t id : ids) {
      if (!tokenizer.is_known(id)) __builtin_trap();
    }
    tokenizer.decode(ids, false);
  } catch (const BadModel&) {
  } catch (const RegexGaveUp&) {
  }
  return 0;
}
