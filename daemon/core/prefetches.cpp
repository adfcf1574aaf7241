#include "core/prefetches.hpp"

#include <algorithm>
#include <set>

namespace gpumodel::core {

void Prefetches::expire(Time now) {
  for (auto& [session, models] : wishes_) {
    std::erase_if(models, [&](const auto& wish) { return wish.second <= now; });
  }
  std::erase_if(wishes_, [](const auto& entry) { return entry.second.empty(); });
}

void Prefetches::granted(SessionId session, ModelId model) {
  const auto found = wishes_.find(session);
  if (found != wishes_.end()) found->second.erase(model);
}

std::vector<ModelId> Prefetches::models(Time now) const {
  std::set<ModelId> all;
  for (const auto& [session, models] : wishes_) {
    for (const auto& [model, until] : models) {
      if (until > now) all.insert(model);
    }
  }
  return {all.begin(), all.end()};
}

std::optional<Time> Prefetches::next_expiry() const {
  std::optional<Time> next;
  for (const auto& [session, models] : wishes_) {
    for (const auto& [model, until] : models) next = next ? std::min(*next, until) : until;
  }
  return next;
}

}  // namespace gpumodel::core
