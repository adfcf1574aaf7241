// Rules that a test build can break on purpose, one at a time, to prove that the simulation
// notices. In every other build mutated() is false at compile time.
#pragma once

namespace gpumodel::core {

enum class Mutation {
  none,
  evict_leased,           // the planner takes residents that somebody leases
  exceed_budget,          // a load starts although the memory is not there yet
  forget_waiting_answer,  // an expired waiter is dropped without an answer
  answer_twice,           // a grant is sent twice
  forget_release,         // a release that waits for an unload is never answered
  starve_head,            // later loads are not held back by an earlier waiter
  unbounded_overtaking,   // later grants of resident models are not counted
  grant_on_unloading,     // an unloading resident still takes leases
  forget_engine_stop,     // an idle engine stays
  forget_unload,          // the last release keeps the model
  leak_ledger,            // bytes stay in the ledger after an unload
  keep_leases_on_close,   // a closed session keeps its leases
  forget_cancel_load,     // a load that nobody wants goes on
  partial_set,            // a set is granted when its first model is ready
  count                   // not a mutation
};

#ifdef GPUMODEL_CORE_MUTANTS
inline Mutation active_mutation = Mutation::none;
inline bool mutated(Mutation mutation) { return active_mutation == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace gpumodel::core
