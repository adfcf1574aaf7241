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

struct Model {
  core::ModelId id;
  ModelConfig config;
  std::optional<wire::InspectResult> facts;  // of the last inspection that succeeded
  core::WeightsId weights;                   // of facts
  std::optional<wire::Error> error;          // of the last inspection, where it failed
};

class Catalog {
 public:
  explicit Catalog(const std::vector<ModelConfig>& models);

  // The model of that name. Throws Error{no_model} with near names, or Error{denied} where it is
  // not for this user.
  Model& require(const std::string& name, const Peer& peer);
  Model& at(core::ModelId id) { return models_.at(id.value - 1); }
  const Model& at(core::ModelId id) const { return models_.at(id.value - 1); }
  const std::deque<Model>& all() const { return models_; }

  // Notes what an inspection found. Models of one identity and dtype get one WeightsId.
  void found(Model& model, wire::InspectResult facts);

 private:
  std::deque<Model> models_;  // ModelId n is the n-th
  std::unordered_map<std::string, core::ModelId> by_name_;
  std::unordered_map<std::string, core::WeightsId> weights_;  // by identity and dtype
};

}  // namespace gpumodel::broker
