#include "engine/text/normal_form.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "engine/text/unicode_tables.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr bool composes(NormalForm form) {
  return form == NormalForm::kNfc || form == NormalForm::kNfkc;
}
constexpr bool is_compatibility(NormalForm form) {
  return form == NormalForm::kNfkc || form == NormalForm::kNfkd;
}

// Characters that the form leaves alone and that never join what stands before them. A cheap
// subset: the others take the long way round.
bool is_inert(char32_t c, NormalForm form) {
  if (c < 0x80) return true;
  if (c >= 0x4E00 && c <= 0x9FFF) return true;
  if (!composes(form)) return false;
  if (c >= 0x400 && c <= 0x482) return true;
  if ((c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA)) return true;
  if (c >= 0xAC00 && c <= 0xD7A3) return true;
  return form == NormalForm::kNfc && c < 0x300;
}

// A character with its canonical combining class in the top byte, so that runs sort by it.
using Classed = std::uint32_t;

constexpr std::uint32_t class_of(Classed c) { return c >> 24; }
constexpr std::uint32_t code_point_of(Classed c) { return c & 0xFFFFFF; }

class BlockNormalizer {
 public:
  explicit BlockNormalizer(NormalForm form) : form_(form) {}

  // The form of one block; valid until the next call.
  std::string_view operator()(std::string_view block) {
    decomposed_.clear();
    for (std::size_t offset = 0; offset < block.size();) decompose(next_code_point(block, offset));
    sort_marks();
    result_.clear();
    if (composes(form_)) {
      append_composed();
    } else {
      for (const Classed c : decomposed_) append_code_point(result_, code_point_of(c));
    }
    return result_;
  }

 private:
  void decompose(char32_t c) {
    if (is_after_unicode9(c)) {
      decomposed_.push_back(c);
      return;
    }
    std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition, U+FDFA's, has 18
    int boundary = 0;
    const int options =
        UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (is_compatibility(form_) ? UTF8PROC_COMPAT : 0);
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(),
                                static_cast<utf8proc_option_t>(options), &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto part = static_cast<std::uint32_t>(parts[static_cast<std::size_t>(i)]);
      const auto mark_class = static_cast<std::uint32_t>(
          utf8proc_get_property(static_cast<utf8proc_int32_t>(part))->combining_class);
      decomposed_.push_back(mark_class << 24 | part);
    }
  }

  void sort_marks() {
    for (auto at = decomposed_.begin(); at != decomposed_.end();) {
      if (class_of(*at) == 0) {
        ++at;
        continue;
      }
      const auto end =
          std::find_if(at, decomposed_.end(), [](Classed c) { return class_of(c) == 0; });
      std::stable_sort(at, end, [](Classed a, Classed b) { return class_of(a) < class_of(b); });
      at = end;
    }
  }

  // Composition must not look past a character that Unicode 9 does not know, as that has class 0
  // here and another one in utf8proc's tables.
  void append_composed() {
    for (std::size_t begin = 0; begin < decomposed_.size();) {
      std::size_t end = begin;
      composed_.clear();
      for (; end < decomposed_.size(); ++end) {
        const std::uint32_t c = code_point_of(decomposed_[end]);
        if (is_after_unicode9(c)) break;
        composed_.push_back(static_cast<utf8proc_int32_t>(c));
      }
      const auto count = utf8proc_normalize_utf32(
          composed_.data(), static_cast<utf8proc_ssize_t>(composed_.size()),
          static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
      for (utf8proc_ssize_t i = 0; i < count; ++i) {
        append_code_point(result_, static_cast<char32_t>(composed_[static_cast<std::size_t>(i)]));
      }
      if (end < decomposed_.size()) append_code_point(result_, code_point_of(decomposed_[end++]));
      begin = end;
    }
  }

  NormalForm form_;
  std::vector<Classed> decomposed_;
  std::vector<utf8proc_int32_t> composed_;
  std::string result_;
};

}  // namespace

void apply_normal_form(TracedText& text, NormalForm form) {
  const std::string_view bytes = text.bytes;
  TracedText out;
  BlockNormalizer normalize(form);
  std::size_t copied = 0;
  std::size_t previous = 0;  // where the character before `offset` starts
  for (std::size_t offset = 0; offset < bytes.size();) {
    const std::size_t here = offset;
    if (is_inert(next_code_point(bytes, offset), form)) {
      previous = here;
      continue;
    }
    // The block starts with the character before, which may take marks on, and ends before the
    // next inert one.
    const std::size_t begin = std::max(copied, previous);
    out.copy(text, copied, begin);
    while (offset < bytes.size()) {
      std::size_t next = offset;
      if (is_inert(next_code_point(bytes, next), form)) break;
      offset = next;
    }
    const std::string_view result = normalize(bytes.substr(begin, offset - begin));
    // The first character keeps its own origin where the block left it alone.
    const std::size_t width = utf8_width(static_cast<unsigned char>(bytes[begin]));
    const bool first_kept = bytes.substr(begin, width) == result.substr(0, width);
    const std::size_t kept = first_kept ? width : 0;
    out.rewrite(text, begin, begin + kept, result.substr(0, kept));
    out.rewrite(text, begin + kept, offset, result.substr(kept));
    copied = previous = offset;
  }
  if (copied == 0) return;
  out.copy(text, copied, bytes.size());
  text = std::move(out);
}

}  // namespace gpumodel::engine::text
