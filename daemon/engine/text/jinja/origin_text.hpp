// UTF-8 text of which every byte knows whether the template or the input wrote it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/segment.hpp"

namespace gpumodel::engine::text::jinja {

enum class Origin : char { kInput = 0, kTemplate = 1 };

// A value. Nearly every string has one origin throughout, so the per-byte origins exist only for
// those that mix.
class OriginText {
 public:
  OriginText() = default;
  OriginText(std::string bytes, Origin origin) : bytes_(std::move(bytes)), uniform_(origin) {}

  const std::string& bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  Origin origin_at(std::size_t at) const noexcept {
    return origins_.empty() ? uniform_ : static_cast<Origin>(origins_[at]);
  }
  // What this text occupies.
  std::size_t memory_bytes() const noexcept { return bytes_.size() + origins_.size(); }

  void append(const OriginText& other) { append(other, 0, other.size()); }
  // Appends other[begin, begin + count).
  void append(const OriginText& other, std::size_t begin, std::size_t count);
  void append(std::string_view bytes, Origin origin);

  // The bytes [begin, begin + count); both in range.
  OriginText substr(std::size_t begin, std::size_t count) const;
  // Runs of one origin, in order, none empty.
  std::vector<Segment> segments() const;

 private:
  void split_origins();

  std::string bytes_;
  std::string origins_;  // one Origin per byte, or empty where uniform_ holds for all
  Origin uniform_ = Origin::kInput;
};

}  // namespace gpumodel::engine::text::jinja
