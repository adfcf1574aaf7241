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
  suspend_busy,           // a lease with a running generation is suspended
  ignore_idle_grace,      // a lease is suspended before it was idle for long enough
  ignore_min_residency,   // a model that was just loaded is evicted for somebody else
  forget_suspended,       // a suspension is not told
  forget_resume,          // a lease whose model is back is not told so
  bank_idle_credit,       // a user who wants nothing gains credit
  ignore_turns,           // the queue is first in, first out over all users
  ignore_limits,          // a user's limits on leases and device memory do not hold
  skip_reading,           // a load starts without a fresh reading of foreign memory
  ignore_foreign,         // foreign memory counts as free
  drop_used_image,        // an image goes although an engine has it mapped
  keep_torn_image,        // an image whose fill failed counts as there
  overfill_host_cache,    // a new image is made without room for it
  evict_pinned,           // a pinned model is evicted
  yield_early,            // a yield is answered before its bytes are free
  forget_yield_end,       // a yield outlives its time
  load_on_drained,        // a device that is draining still loads
  keep_removed,           // a removed model is still granted
  forget_wake_up,         // nobody looks again when a model has become evictable
  yields_in_the_way,      // yields are not kept out of plans
  prefetch_in_the_way,    // a load for a prefetch alone goes on although somebody waits
  partial_adapter,        // a model is granted when its weights are ready and its adapter is not
  stray_adapter,          // an adapter is placed on another device than its weights
  keep_stray_adapter,     // an adapter stays when its weights are gone
  count                   // not a mutation
};

#ifdef GPUMODEL_CORE_MUTANTS
inline Mutation active_mutation = Mutation::none;
inline bool mutated(Mutation mutation) { return active_mutation == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace gpumodel::core
