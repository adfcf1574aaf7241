#include "core/fairness.hpp"

#include <algorithm>

#include "core/mutation.hpp"

namespace gpumodel::core {

void Fairness::charge(Uid user, Cost cost) {
  if (cost > Cost{0}) users_[user].credit -= cost;
}

void Fairness::had_turn(Uid user) {
  const auto found = users_.find(user);
  if (found != users_.end()) found->second.place = ++last_place_;
}

void Fairness::settle(const std::set<Uid>& waiting) {
  for (const Uid uid : waiting) {
    User& user = users_[uid];
    if (!user.waits) user.place = ++last_place_;
    user.waits = true;
  }
  Cost best = Cost::min();
  for (auto& [uid, user] : users_) {
    user.waits = waiting.count(uid) != 0;
    if (user.waits)
      best = std::max(best, user.credit);
    else if (!mutated(Mutation::bank_idle_credit))
      user.credit = std::min(user.credit, Cost{0});
  }
  if (!waiting.empty() && best <= Cost{0}) {
    const Cost gain = quantum_ * (-best / quantum_ + 1);
    for (auto& [uid, user] : users_) {
      user.credit += gain;
      if (!user.waits && !mutated(Mutation::bank_idle_credit))
        user.credit = std::min(user.credit, Cost{0});
    }
  }
  std::erase_if(users_, [](const auto& entry) {
    return !entry.second.waits && entry.second.credit == Cost{0};
  });
}

Fairness::Turn Fairness::turn(Uid uid, std::size_t ahead) const {
  const auto found = users_.find(uid);
  if (found == users_.end()) return Turn{static_cast<std::int64_t>(ahead) + 1, last_place_ + 1};
  const Cost credit = found->second.credit - quantum_ * static_cast<std::int64_t>(ahead);
  return Turn{credit > Cost{0} ? 0 : -credit / quantum_ + 1, found->second.place};
}

Fairness::Cost Fairness::credit(Uid uid) const {
  const auto found = users_.find(uid);
  return found == users_.end() ? Cost{0} : found->second.credit;
}

}  // namespace gpumodel::core
