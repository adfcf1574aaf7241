// The configured models: what each needs on which device, and what is known of it from before.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/core.hpp"
#include "core/needed.hpp"
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
  // Whether it is served from these weights, or with this adapter.
  bool needs(WeightsId part) const {
    return spec && (spec->weights == part || (spec->adapter && spec->adapter->id == part));
  }
};

// The bytes of `spec` with this much context, without its adapter.
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
    bool is_adapter = false;
    Bytes bytes() const { return need.total() + surplus_bytes; }
  };
  Shape shape(WeightsId weights, DeviceId device, const std::vector<ModelId>& models) const;

  // Models on one weights share an item where some device is allowed to all of them.
  Needed needed(const std::vector<ModelId>& models) const;

  // A load of this shape took this much.
  void learn(WeightsId weights, std::uint32_t context_tokens, const Need& need, Bytes measured);
  void remove(ModelId model);
  const std::vector<ModelId>& sharers(WeightsId weights) const;
  // Some model on the weights; none where there is none.
  ModelId any_of(WeightsId weights) const;
  // Changes whenever needed() may.
  std::uint64_t version() const { return version_; }
  void changed() { ++version_; }

  std::map<ModelId, ModelEntry>& all() { return models_; }
  const std::map<ModelId, ModelEntry>& all() const { return models_; }

 private:
  void resolve(ModelEntry& entry) const;
  void add_sharer(const ModelSpec& spec);
  void remove_sharer(const ModelSpec& spec);
  void forget_unshared();
  Bytes adapters_of(const std::vector<ModelId>& models) const;

  std::map<ModelId, ModelEntry> models_;
  std::map<DeviceId, Bytes> budgets_;
  std::map<WeightsId, std::vector<ModelId>> sharers_;  // of weights and of adapters
  std::map<std::pair<WeightsId, std::uint32_t>, Bytes> surplus_;  // by weights and context
  std::uint64_t version_ = 1;
};

}  // namespace gpumodel::core
