#include "broker/near_names.hpp"

#include <algorithm>
#include <numeric>

namespace gpumodel::broker {
namespace {

constexpr std::size_t kMostBytes = 128;
constexpr std::size_t kLeastContainedBytes = 3;

std::string folded(std::string_view text) {
  std::string out(text.substr(0, kMostBytes));
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool contains_other(const std::string& a, const std::string& b) {
  if (std::min(a.size(), b.size()) < kLeastContainedBytes) return false;
  return a.find(b) != std::string::npos || b.find(a) != std::string::npos;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::string x = folded(a);
  const std::string y = folded(b);
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < y.size(); ++j) {
      const std::size_t replaced = diagonal + (x[i] == y[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::vector<std::string> near_names(std::string_view wanted,
                                    std::span<const std::string_view> known, std::size_t most) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string_view name : known) {
    const std::size_t distance = edit_distance(wanted, name);
    const std::size_t longer = std::min(kMostBytes, std::max(wanted.size(), name.size()));
    if (distance <= std::max<std::size_t>(2, longer / 3) ||
        contains_other(folded(wanted), folded(name)))
      found.emplace_back(distance, name);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > most) found.resize(most);
  std::vector<std::string> names;
  for (auto& [distance, name] : found) names.push_back(std::move(name));
  return names;
}

}  // namespace gpumodel::broker
