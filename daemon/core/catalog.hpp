// The configured models: what each needs on which device, and what is known of it from before.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/core.hpp"
#include "core/planner.hpp"
#include "core/types.hpp"

namespace gpumodel::core {

// A context is cut in these steps, and never below one.
inline constexpr std::uint32_t kContextPageTokens = 32;

struct ModelEntry {
  ModelId id;
  std::string name;
  std::optional<ModelSpec> spec;  // nothing: it was never readable
  std::optional<ModelSpec> next;  // takes the place of `spec` once the model is not in use
  std::string bad_reason;         // refuses leases where not empty
  bool removed = false;           // from the configuration; goes with its last lease
  bool pinned = false;            // by an administrator
  bool preload_pending = false;

  std::uint32_t context_tokens = 0;  // as served: cut to what fits
  std::vector<DeviceId> fits_on;     // best first
  Shortage shortage;                 // where it fits nowhere

  std::string error;  // of the last load or unload
  Time since{0};
  bool was_loaded = false;
  std::optional<ModelRow::LastLoad> load;
  std::optional<ModelRow::LastUnload> unload;

  bool is_pinned() const { return pinned || (spec && spec->policy.pinned); }
};

// The bytes of `spec` with this much context.
Need need_of(const ModelSpec& spec, std::uint32_t context_tokens);

class Catalog {
 public:
  void add_device(const DeviceSpec& device);
  ModelEntry& entry(ModelId model) { return models_[model]; }
  ModelEntry* find(ModelId model);
  const ModelEntry* find(ModelId model) const;
  void adopt(ModelEntry& entry, ModelSpec spec);

  // What a load of `weights` on a device is to hold for these models: the context of the largest of
  // them, and of every model on the weights whose explicit context fits there, so that nobody has
  // to reload.
  struct Shape {
    Need need;
    Bytes surplus_bytes = 0;  // that such a load was measured to take beyond its need
    std::uint32_t context_tokens = 0;
    ModelId model;  // the one with that context
    Bytes bytes() const { return need.total() + surplus_bytes; }
  };
  Shape shape(WeightsId weights, DeviceId device, const std::vector<ModelId>& models) const;

  // Models on one weights share an item where some device is allowed to all of them. `item_of` gets
  // the index of the item for each model.
  std::vector<PlanItem> items(const std::vector<ModelId>& models,
                              std::vector<std::size_t>& item_of) const;

  // A load of this shape took this much.
  void learn(WeightsId weights, std::uint32_t context_tokens, const Need& need, Bytes measured);
  void remove(ModelId model);
  const std::vector<ModelId>& sharers(WeightsId weights) const;
  // Some model on the weights; none where there is none.
  ModelId any_of(WeightsId weights) const;
  // Changes whenever items() may.
  std::uint64_t version() const { return version_; }
  void changed() { ++version_; }

  std::map<ModelId, ModelEntry>& all() { return models_; }
  const std::map<ModelId, ModelEntry>& all() const { return models_; }

 private:
  void resolve(ModelEntry& entry) const;

  std::map<ModelId, ModelEntry> models_;
  std::map<DeviceId, Bytes> budgets_;
  std::map<WeightsId, std::vector<ModelId>> sharers_;
  std::map<std::pair<WeightsId, std::uint32_t>, Bytes> surplus_;  // by weights and context
  std::uint64_t version_ = 1;
};

}  // namespace gpumodel::core
