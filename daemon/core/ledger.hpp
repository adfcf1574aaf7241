// Who holds which bytes of one device. Every byte is booked under a resident or as residual; the
// sums are kept beside the entries and can be checked against them.
#pragma once

#include <map>

#include "core/types.hpp"

namespace gpumodel::core {

class Ledger {
 public:
  explicit Ledger(const DeviceSpec& device);

  Bytes capacity_bytes() const { return capacity_bytes_; }
  // What residents may take together as things are: the capacity less what is kept free (the reserve,
  // and beside it yields) or what other programs hold already, whichever is more.
  Bytes budget_bytes() const;
  // The same without yields.
  Bytes budget_without_yields() const;
  // The capacity less the reserve: as if no other program held more.
  Bytes full_budget_bytes() const { return full_budget_bytes_; }
  Bytes foreign_bytes() const { return foreign_bytes_; }
  Bytes yielded_bytes() const { return yielded_bytes_; }
  // Held now: loads in progress, what is loaded, what is being unloaded, and residual.
  Bytes used_bytes() const { return held_bytes_ + residual_bytes_; }
  // Promised to loads that have not started.
  Bytes planned_bytes() const { return planned_bytes_; }
  Bytes residual_bytes() const { return residual_bytes_; }
  bool has_room(Bytes bytes) const;
  // Whether the yields are free: nothing held or promised reaches into them.
  bool yields_are_free() const;

  void set_foreign(Bytes bytes);
  // All yields together. What was foreign when the first began is kept free beside them; what comes
  // later is taken to be theirs until they are used up.
  void set_yielded(Bytes bytes);

  void plan(ResidentId resident, Bytes bytes);
  // Turns a plan into held bytes; there must be room.
  void hold(ResidentId resident);
  // The load turned out to take this much. What was measured is booked even beyond the budget.
  void measure(ResidentId resident, Bytes bytes);
  void free(ResidentId resident);
  // Bytes that an unload did not give back; they count until the engine has ended.
  void add_residual(Bytes bytes);
  void clear_residual() { residual_bytes_ = 0; }
  // Only where nothing is booked.
  void resize(const DeviceSpec& device);

  bool empty() const { return entries_.empty(); }
  // Sums and limits hold; aborts where they do not.
  void check() const;

 private:
  struct Entry {
    Bytes bytes = 0;
    Bytes surplus_bytes = 0;  // measured beyond what was admitted
    bool held = false;
  };
  Bytes capacity_bytes_ = 0;
  Bytes full_budget_bytes_ = 0;
  Bytes foreign_bytes_ = 0;
  Bytes foreign_before_yields_bytes_ = 0;
  Bytes yielded_bytes_ = 0;
  Bytes held_bytes_ = 0;
  Bytes planned_bytes_ = 0;
  Bytes residual_bytes_ = 0;
  std::map<ResidentId, Entry> entries_;
};

}  // namespace gpumodel::core
