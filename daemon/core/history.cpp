#include "core/history.hpp"

namespace gpumodel::core {

void History::loaded(bool from_host, Bytes bytes, Time took) {
  if (bytes == 0) return;
  Mean& mean = from_host ? host_ms_per_byte_ : disk_ms_per_byte_;
  mean.add(static_cast<double>(took.count()) / static_cast<double>(bytes));
}

void History::unloaded(Bytes bytes, Time took) {
  if (bytes == 0) return;
  unload_ms_per_byte_.add(static_cast<double>(took.count()) / static_cast<double>(bytes));
}

void History::held(ModelId model, Time took) {
  holds_[model].add(static_cast<double>(took.count()));
}

std::optional<Time> History::times(const Mean& mean, Bytes bytes) {
  if (!mean.value()) return std::nullopt;
  return Time(static_cast<Time::rep>(*mean.value() * static_cast<double>(bytes)));
}

std::optional<Time> History::load(bool from_host, Bytes bytes) const {
  return times(from_host ? host_ms_per_byte_ : disk_ms_per_byte_, bytes);
}

std::optional<Time> History::unload(Bytes bytes) const { return times(unload_ms_per_byte_, bytes); }

std::optional<Time> History::hold(ModelId model) const {
  const auto found = holds_.find(model);
  if (found == holds_.end()) return std::nullopt;
  return times(found->second, 1);
}

}  // namespace gpumodel::core
