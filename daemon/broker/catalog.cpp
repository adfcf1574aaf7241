#include "broker/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/near_names.hpp"

namespace gpumodel::broker {
namespace {

constexpr std::size_t kMostNearNames = 5;

struct NearDetail {
  std::vector<std::string> near;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("near", self.near);
  }
};

// A client's text in a message: cut, and without what a terminal would act on.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, wire::kMaxModelNameBytes));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  // The cut may have gone through a character.
  while (!out.empty() && !wire::is_valid_utf8(out)) out.pop_back();
  return "\"" + out + "\"";
}

wire::Error no_model(const std::string& name, const std::deque<Model>& models) {
  std::vector<std::string_view> known;
  for (const Model& model : models)
    if (!model.removed) known.push_back(model.config.name);
  NearDetail detail{near_names(name, known, kMostNearNames)};
  std::string remedy = "status lists the models that there are";
  if (!detail.near.empty()) remedy = fmt::format("did you mean {}?", fmt::join(detail.near, ", "));
  if (known.empty()) remedy = "none is configured";
  wire::Error error(wire::Code::no_model, fmt::format("no model {}; {}", shown(name), remedy));
  error.detail = wire::encode(detail);
  return error;
}

}  // namespace

Catalog::Catalog(const std::vector<ModelConfig>& models) {
  for (const ModelConfig& config : models) add(config);
}

void Catalog::add(const ModelConfig& config) {
  const core::ModelId id{models_.size() + 1};
  models_.push_back({id, config, std::nullopt, {}, {}, std::nullopt, false});
  by_name_.emplace(config.name, id);
}

void Catalog::add_again(Model& model, const ModelConfig& config) {
  model = {model.id, config, std::nullopt, {}, {}, std::nullopt, false};
  by_name_.emplace(config.name, model.id);
}

std::vector<core::ModelId> Catalog::replace(const std::vector<ModelConfig>& models) {
  const auto before = std::exchange(by_name_, {});
  for (const ModelConfig& config : models) {
    const auto known = std::find_if(models_.begin(), models_.end(), [&](const Model& model) {
      return model.config.name == config.name;
    });
    if (known == models_.end()) {
      add(config);
    } else if (known->removed) {
      add_again(*known, config);
    } else {
      const ModelConfig& old = known->config;
      if (!reads_same_files(old, config)) known->facts.reset();
      known->config = config;
      by_name_.emplace(config.name, known->id);
    }
  }
  std::vector<core::ModelId> removed;
  for (const auto& [name, id] : before) {
    if (by_name_.contains(name)) continue;
    at(id).removed = true;
    removed.push_back(id);
  }
  return removed;
}

Model& Catalog::require(const std::string& name, const Peer& peer) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) throw no_model(name, models_);
  Model& model = at(found->second);
  if (model.config.users && !model.config.users->contains(peer.uid, peer.groups))
    throw wire::Error(
        wire::Code::denied,
        fmt::format(
            "model {} is not for this user; ask the administrator to add it to the model's users",
            model.config.name));
  return model;
}

std::vector<core::ModelId> Catalog::require_all(const std::vector<std::string>& names,
                                                const Peer& peer) {
  if (names.empty() || names.size() > wire::kMaxModelsPerLease)
    throw wire::Error(wire::Code::invalid,
                      fmt::format("models: from 1 to {} names", wire::kMaxModelsPerLease));
  std::vector<core::ModelId> models;
  for (const std::string& name : names) models.push_back(require(name, peer).id);
  return models;
}

void Catalog::found(Model& model, wire::InspectResult facts) {
  const ModelConfig& config = model.config;
  const std::string identity = fmt::format("{}|{}", facts.identity, facts.dtype);
  const WeightsFolder folder{config.path, config.dtype, config.adapter_path, facts};
  model.weights = id_of(identity, folder);
  model.adapter = {};
  if (facts.adapter)
    model.adapter = id_of(fmt::format("{}|{}", identity, facts.adapter->identity), folder);
  model.facts = std::move(facts);
  model.error.reset();
}

core::WeightsId Catalog::id_of(const std::string& identity, const WeightsFolder& folder) {
  const auto [entry, is_new] = weights_.try_emplace(identity);
  if (is_new) {
    entry->second = {weights_.size()};
    folders_.emplace_back();
  }
  folders_.at(entry->second.value - 1) = folder;
  return entry->second;
}

}  // namespace gpumodel::broker
