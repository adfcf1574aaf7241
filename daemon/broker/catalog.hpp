// The configured models: what the configuration says, and what the probe found in their folders.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/config.hpp"
#include "broker/peer.hpp"
#include "core/types.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::broker {

// Where one weights, or one adapter of them, were found, and what was found: a load reads them
// there although the configuration, or the folder's other files, may have changed since.
struct WeightsFolder {
  std::string path;
  std::string dtype;  // as it was asked for
  std::string adapter_path;
  wire::InspectResult facts;
};

struct Model {
  core::ModelId id;
  ModelConfig config;
  std::optional<wire::InspectResult> facts;  // of the last inspection that succeeded
  core::WeightsId weights;                   // of facts
  core::WeightsId adapter;                   // of facts; none: it has none
  std::optional<wire::Error> error;          // of the last inspection, where it failed
  bool removed = false;                      // from the configuration; it may still be leased
};

class Catalog {
 public:
  explicit Catalog(const std::vector<ModelConfig>& models);

  // The model of that name. Throws Error{no_model} with near names, or Error{denied} where it is
  // not for this user.
  Model& require(const std::string& name, const Peer& peer);
  // The models of a request; Error{invalid} also for none, and for more than a lease may have.
  std::vector<core::ModelId> require_all(const std::vector<std::string>& names, const Peer& peer);
  Model& at(core::ModelId id) { return models_.at(id.value - 1); }
  const Model& at(core::ModelId id) const { return models_.at(id.value - 1); }
  const std::deque<Model>& all() const { return models_; }

  // The models that are not removed, by the new configuration; the ids of those that are from now
  // on. A name keeps its id, also where it was removed and comes back.
  std::vector<core::ModelId> replace(const std::vector<ModelConfig>& models);

  // Notes what an inspection found. Models of one identity and dtype get one WeightsId, and so do
  // those among them that have the same adapter.
  void found(Model& model, wire::InspectResult facts);
  const WeightsFolder& folder_of(core::WeightsId weights) const {
    return folders_.at(weights.value - 1);
  }

 private:
  void add(const ModelConfig& config);
  // One that was removed; known anew, since what is known of it may be of another folder.
  void add_again(Model& model, const ModelConfig& config);
  core::WeightsId id_of(const std::string& identity, const WeightsFolder& folder);

  std::deque<Model> models_;  // ModelId n is the n-th
  std::unordered_map<std::string, core::ModelId> by_name_;
  std::unordered_map<std::string, core::WeightsId> weights_;  // by identity, dtype and adapter
  std::deque<WeightsFolder> folders_;                         // WeightsId n is the n-th
};

}  // namespace gpumodel::broker
