#include "core/fairness.hpp"

#include <algorithm>
#include <vector>

#include "core/mutation.hpp"

namespace gpumodel::core {

void Fairness::charge(Uid user, Cost cost) {
  if (cost > Cost{0}) users_[user].credit -= cost;
}

void Fairness::had_turn(Uid user) {
  const auto found = users_.find(user);
  if (found != users_.end()) found->second.place = ++last_place_;
}

void Fairness::settle(const std::set<Uid>& active) {
  Cost best = Cost::min();
  std::vector<User*> fresh;
  for (const Uid uid : active) {
    const auto [user, unknown] = users_.try_emplace(uid);
    if (!user->second.active) user->second.place = ++last_place_;
    if (unknown) fresh.push_back(&user->second);
    best = std::max(best, user->second.credit);
  }
  for (User* user : fresh) user->credit = best;
  const bool new_rounds = best <= Cost{0};
  const Cost gain = active.empty() || !new_rounds ? Cost{0} : quantum_ * (-best / quantum_ + 1);
  for (auto& [uid, user] : users_) {
    user.active = active.count(uid) != 0;
    user.credit += gain;
    if (!user.active && new_rounds && !mutated(Mutation::bank_idle_credit))
      user.credit = std::min(user.credit, Cost{0});
  }
  std::erase_if(users_, [](const auto& entry) {
    return !entry.second.active && entry.second.credit == Cost{0};
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
