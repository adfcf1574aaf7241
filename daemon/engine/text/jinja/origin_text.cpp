#include "engine/text/jinja/origin_text.hpp"

namespace gpumodel::engine::text::jinja {

void OriginText::split_origins() {
  if (origins_.empty()) origins_.assign(bytes_.size(), static_cast<char>(uniform_));
}

void OriginText::append(const OriginText& other, std::size_t begin, std::size_t count) {
  if (count == 0) return;
  if (other.origins_.empty()) {
    append(std::string_view(other.bytes_).substr(begin, count), other.uniform_);
    return;
  }
  split_origins();
  bytes_.append(other.bytes_, begin, count);
  origins_.append(other.origins_, begin, count);
}

void OriginText::append(std::string_view bytes, Origin origin) {
  if (bytes.empty()) return;
  if (bytes_.empty()) {
    uniform_ = origin;
  } else if (!origins_.empty() || uniform_ != origin) {
    split_origins();
    origins_.append(bytes.size(), static_cast<char>(origin));
  }
  bytes_.append(bytes);
}

OriginText OriginText::substr(std::size_t begin, std::size_t count) const {
  OriginText part;
  part.append(*this, begin, count);
  return part;
}

std::vector<Segment> OriginText::segments() const {
  std::vector<Segment> runs;
  std::size_t begin = 0;
  while (begin < bytes_.size()) {
    std::size_t end =
        origins_.empty() ? bytes_.size() : origins_.find_first_not_of(origins_[begin], begin);
    if (end == std::string::npos) end = bytes_.size();
    runs.push_back({bytes_.substr(begin, end - begin), origin_at(begin) == Origin::kTemplate});
    begin = end;
  }
  return runs;
}

}  // namespace gpumodel::engine::text::jinja
