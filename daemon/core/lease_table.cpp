#include "core/lease_table.hpp"

#include <utility>

#include "core/require.hpp"

namespace gpumodel::core {

Lease& LeaseTable::add(Lease lease) {
  lease.id = LeaseId{++last_id_};
  lease.epoch = ++granted_[lease.model];
  ++of_user_[lease.uid];
  ++of_model_[lease.model];
  return leases_.emplace_hint(leases_.end(), lease.id, std::move(lease))->second;
}

void LeaseTable::remove(LeaseId id) {
  const auto found = leases_.find(id);
  require(found != leases_.end(), "a lease ends once");
  for (const RequestId use : found->second.uses) uses_.erase(use);
  const auto user = of_user_.find(found->second.uid);
  if (--user->second == 0) of_user_.erase(user);
  --of_model_[found->second.model];
  leases_.erase(found);
}

Lease* LeaseTable::find(LeaseId lease) {
  const auto found = leases_.find(lease);
  return found == leases_.end() ? nullptr : &found->second;
}

const Lease* LeaseTable::find(SessionId session, LeaseId lease, std::uint64_t epoch) const {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return nullptr;
  return found->second.session == session && found->second.epoch == epoch ? &found->second
                                                                          : nullptr;
}

void LeaseTable::start_use(Lease& lease, RequestId use) {
  require(uses_.emplace(use, lease.id).second, "a request is used once");
  lease.uses.insert(use);
}

Lease* LeaseTable::end_use(RequestId use, Time now) {
  const auto found = uses_.find(use);
  if (found == uses_.end()) return nullptr;
  Lease& lease = leases_.at(found->second);
  uses_.erase(found);
  lease.uses.erase(use);
  if (lease.uses.empty()) lease.idle_since = now;
  return &lease;
}

std::uint32_t LeaseTable::count_of_user(std::uint32_t uid) const {
  const auto found = of_user_.find(uid);
  return found == of_user_.end() ? 0 : found->second;
}

std::uint32_t LeaseTable::count_of_model(ModelId model) const {
  const auto found = of_model_.find(model);
  return found == of_model_.end() ? 0 : found->second;
}

void LeaseTable::check() const {
  std::unordered_map<std::uint32_t, std::uint32_t> of_user;
  std::size_t uses = 0;
  for (const auto& [id, lease] : leases_) {
    ++of_user[lease.uid];
    uses += lease.uses.size();
  }
  require(of_user == of_user_, "the leases of users add up");
  require(uses == uses_.size(), "every use runs on a lease");
}

}  // namespace gpumodel::core
