// Text that knows which of its bytes the chat template wrote, through every rewriting.
#pragma once

#include <string>
#include <string_view>

namespace gpumodel::engine::text {

// `trusted` is empty (nothing is trusted) or has one char per byte of `bytes`: 1 where the byte
// comes from template text alone, 0 where user text had a part in it.
struct TracedText {
  std::string bytes;
  std::string trusted;

  bool traced() const { return !trusted.empty(); }

  // Appends [begin, end) of `from` as it is.
  void copy(const TracedText& from, std::size_t begin, std::size_t end) {
    bytes.append(from.bytes, begin, end - begin);
    if (from.traced()) trusted.append(from.trusted, begin, end - begin);
  }

  // Appends what [begin, end) of `from` was rewritten to; trusted only if all of that was.
  void rewrite(const TracedText& from, std::size_t begin, std::size_t end, std::string_view to) {
    bytes.append(to);
    if (!from.traced()) return;
    const auto range = std::string_view(from.trusted).substr(begin, end - begin);
    trusted.append(to.size(), range.find('\0') == std::string_view::npos ? '\1' : '\0');
  }
};

}  // namespace gpumodel::engine::text
