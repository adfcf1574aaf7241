#include "engine/sample/selection.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace gpumodel::engine::sample {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

}  // namespace

std::int32_t argmax(std::span<const float> values) {
  float best = kNothing;
  std::int32_t index = -1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > best) {
      best = values[i];
      index = static_cast<std::int32_t>(i);
    }
  }
  return index;
}

float kth_largest(std::span<const float> values, std::size_t k, std::vector<float>& scratch) {
  // Twice k, so that each pruning halves what was gathered: its cost is spread over k values.
  const std::size_t room = std::max<std::size_t>(2 * std::min(k, values.size()), 64);
  scratch.clear();
  float threshold = kNothing;
  const auto prune = [&] {
    std::nth_element(scratch.begin(), scratch.begin() + static_cast<std::ptrdiff_t>(k - 1),
                     scratch.end(), std::greater<>());
    threshold = scratch[k - 1];
    scratch.resize(k);
  };
  for (const float value : values) {
    if (!(value > threshold)) continue;
    scratch.push_back(value);
    if (scratch.size() >= room && scratch.size() > k) prune();
  }
  if (scratch.size() < k) return kNothing;
  prune();
  return threshold;
}

std::vector<std::int32_t> largest(std::span<const float> values, std::size_t count) {
  std::vector<std::int32_t> found;
  if (count == 0) return found;
  found.reserve(count + 1);
  const auto at = [&](std::int32_t index) { return values[static_cast<std::size_t>(index)]; };
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    if (!(value > (found.size() < count ? kNothing : at(found.back())))) continue;
    const auto place = std::upper_bound(found.begin(), found.end(), value,
                                        [&](float v, std::int32_t other) { return v > at(other); });
    found.insert(place, static_cast<std::int32_t>(i));
    if (found.size() > count) found.pop_back();
  }
  return found;
}

}  // namespace gpumodel::engine::sample
