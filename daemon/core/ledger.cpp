#include "core/ledger.hpp"

#include <algorithm>

#include "core/mutation.hpp"
#include "core/require.hpp"

namespace gpumodel::core {

Ledger::Ledger(const DeviceSpec& device) { resize(device); }

void Ledger::resize(const DeviceSpec& device) {
  require(entries_.empty(), "a device is resized only while nothing is booked on it");
  capacity_bytes_ = device.capacity_bytes;
  full_budget_bytes_ = capacity_bytes_ - std::min(capacity_bytes_, device.reserve_bytes);
}

Bytes Ledger::budget_without_yields() const {
  if (mutated(Mutation::ignore_foreign)) return full_budget_bytes_;
  return std::min(full_budget_bytes_, capacity_bytes_ - std::min(capacity_bytes_, foreign_bytes_));
}

Bytes Ledger::budget_bytes() const {
  if (mutated(Mutation::yields_in_the_way)) return budget_without_yields();
  const Bytes before = yielded_bytes_ == 0 ? 0 : foreign_before_yields_bytes_;
  const Bytes room =
      std::min(full_budget_bytes_, capacity_bytes_ - std::min(capacity_bytes_, before));
  return std::min(budget_without_yields(), room - std::min(room, yielded_bytes_));
}

bool Ledger::has_room(Bytes bytes) const {
  const Bytes budget = budget_bytes();
  return used_bytes() <= budget && bytes <= budget - used_bytes();
}

bool Ledger::yields_are_free() const {
  const Bytes taken = used_bytes() + planned_bytes_;
  if (taken > budget_bytes()) return false;
  const Bytes before = std::max(capacity_bytes_ - full_budget_bytes_, foreign_before_yields_bytes_);
  return yielded_bytes_ <= capacity_bytes_ && before <= capacity_bytes_ - yielded_bytes_;
}

void Ledger::set_foreign(Bytes bytes) {
  foreign_bytes_ = bytes;
  foreign_before_yields_bytes_ = std::min(foreign_before_yields_bytes_, bytes);
}

void Ledger::set_yielded(Bytes bytes) {
  if (yielded_bytes_ == 0) foreign_before_yields_bytes_ = foreign_bytes_;
  yielded_bytes_ = bytes;
}

void Ledger::plan(ResidentId resident, Bytes bytes) {
  const bool fresh = entries_.emplace(resident, Entry{bytes, 0, false}).second;
  require(fresh, "a resident is booked once");
  planned_bytes_ += bytes;
}

void Ledger::hold(ResidentId resident) {
  Entry& entry = entries_.at(resident);
  require(!entry.held, "a resident takes its bytes once");
  require(has_room(entry.bytes) || mutated(Mutation::exceed_budget),
          "a load starts only where its bytes are free");
  planned_bytes_ -= entry.bytes;
  held_bytes_ += entry.bytes;
  entry.held = true;
}

void Ledger::measure(ResidentId resident, Bytes bytes) {
  Entry& entry = entries_.at(resident);
  require(entry.held, "only a load can be measured");
  const Bytes admitted = entry.bytes - entry.surplus_bytes;
  held_bytes_ = held_bytes_ - entry.bytes + bytes;
  entry.surplus_bytes = bytes > admitted ? bytes - admitted : 0;
  entry.bytes = bytes;
}

void Ledger::free(ResidentId resident) {
  const auto found = entries_.find(resident);
  require(found != entries_.end(), "a resident is freed once");
  if (!mutated(Mutation::leak_ledger)) {
    (found->second.held ? held_bytes_ : planned_bytes_) -= found->second.bytes;
  }
  entries_.erase(found);
}

void Ledger::add_residual(Bytes bytes) { residual_bytes_ += bytes; }

void Ledger::check() const {
  Bytes held = 0;
  Bytes planned = 0;
  Bytes surplus = 0;
  for (const auto& [resident, entry] : entries_) {
    (entry.held ? held : planned) += entry.bytes;
    surplus += entry.surplus_bytes;
  }
  require(held == held_bytes_, "the held bytes add up");
  require(planned == planned_bytes_, "the planned bytes add up");
  require(used_bytes() <= full_budget_bytes_ + surplus, "a device holds no more than its budget");
}

}  // namespace gpumodel::core
