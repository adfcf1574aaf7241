#include "core/catalog.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/require.hpp"

namespace gpumodel::core {
namespace {

constexpr Bytes kMaxBytes = std::numeric_limits<Bytes>::max() / 64;

Bytes limit_of(const ModelSpec& spec, Bytes budget) {
  return spec.memory_cap_bytes == 0 ? budget : std::min(budget, spec.memory_cap_bytes);
}

// Products and sums of sizes from files, which may be anything: saturated, so that they never fit.
Bytes context_bytes(const ModelSpec& spec, std::uint32_t tokens) {
  if (tokens != 0 && spec.kv_bytes_per_token > kMaxBytes / tokens) return kMaxBytes;
  return spec.kv_bytes_per_token * tokens;
}

}  // namespace

Need need_of(const ModelSpec& spec, std::uint32_t context_tokens) {
  return Need{std::min(spec.tensor_bytes, kMaxBytes), context_bytes(spec, context_tokens),
              std::min(spec.workspace_bytes, kMaxBytes)};
}

void Catalog::add_device(const DeviceSpec& device) {
  budgets_[device.id] =
      device.capacity_bytes - std::min(device.capacity_bytes, device.reserve_bytes);
  ++version_;
  for (auto& [id, entry] : models_) {
    if (entry.spec) resolve(entry);
  }
}

ModelEntry* Catalog::find(ModelId model) {
  const auto found = models_.find(model);
  return found == models_.end() ? nullptr : &found->second;
}

const ModelEntry* Catalog::find(ModelId model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? nullptr : &found->second;
}

void Catalog::adopt(ModelEntry& entry, ModelSpec spec) {
  if (entry.spec) {
    auto& sharers = sharers_[entry.spec->weights];
    std::erase(sharers, entry.id);
  }
  sharers_[spec.weights].push_back(spec.id);
  ++version_;
  entry.id = spec.id;
  entry.name = spec.name;
  entry.spec = std::move(spec);
  entry.next.reset();
  resolve(entry);
}

void Catalog::resolve(ModelEntry& entry) const {
  const ModelSpec& spec = *entry.spec;
  Bytes largest = 0;
  entry.fits_on.clear();
  for (const DeviceId device : spec.devices) {
    const auto budget = budgets_.find(device);
    if (budget != budgets_.end()) largest = std::max(largest, limit_of(spec, budget->second));
  }
  std::uint32_t tokens = spec.context_tokens;
  const Bytes fixed = need_of(spec, 0).total();
  if (!spec.context_is_explicit && need_of(spec, tokens).total() > largest) {
    const std::uint32_t least = std::min(tokens, kContextPageTokens);
    const Bytes room = largest - std::min(largest, fixed);
    const Bytes pages = room / std::max<Bytes>(1, context_bytes(spec, kContextPageTokens));
    tokens = static_cast<std::uint32_t>(
        std::min<Bytes>(tokens, std::min<Bytes>(pages, tokens) * kContextPageTokens));
    tokens = std::max(tokens, least);
  }
  entry.context_tokens = tokens;
  const Bytes needed = need_of(spec, tokens).total();
  for (const DeviceId device : spec.devices) {
    const auto budget = budgets_.find(device);
    if (budget != budgets_.end() && needed <= limit_of(spec, budget->second)) {
      entry.fits_on.push_back(device);
    }
  }
  entry.shortage = Shortage{needed, needed - std::min(needed, largest), largest};
}

Catalog::Shape Catalog::shape(WeightsId weights, DeviceId device,
                              const std::vector<ModelId>& models) const {
  Shape shape;
  const auto widen = [&](const ModelEntry& entry) {
    const Need need = need_of(*entry.spec, entry.context_tokens);
    if (!shape.model || entry.context_tokens > shape.context_tokens) {
      shape.context_tokens = entry.context_tokens;
      shape.model = entry.id;
    }
    shape.need.tensor_bytes = std::max(shape.need.tensor_bytes, need.tensor_bytes);
    shape.need.kv_bytes = std::max(shape.need.kv_bytes, need.kv_bytes);
    shape.need.workspace_bytes = std::max(shape.need.workspace_bytes, need.workspace_bytes);
  };
  for (const ModelId model : models) {
    const ModelEntry& entry = models_.at(model);
    if (entry.spec->weights == weights) widen(entry);
  }
  require(static_cast<bool>(shape.model), "weights are loaded for some model");
  const Shape asked = shape;
  for (const ModelId model : sharers_.at(weights)) {
    const ModelEntry& entry = models_.at(model);
    const bool fits =
        std::find(entry.fits_on.begin(), entry.fits_on.end(), device) != entry.fits_on.end();
    if (entry.spec->context_is_explicit && entry.bad_reason.empty() && !entry.removed && fits)
      widen(entry);
  }
  const Bytes budget = budgets_.at(device);
  if (shape.need.total() > budget) shape = asked;
  const auto learned = surplus_.find({weights, shape.context_tokens});
  // What was loaded fits, whatever it took.
  if (learned != surplus_.end() && shape.need.total() < budget)
    shape.surplus_bytes = std::min(learned->second, budget - shape.need.total());
  return shape;
}

void Catalog::learn(WeightsId weights, std::uint32_t context_tokens, const Need& need,
                    Bytes measured) {
  if (measured <= need.total()) return;
  Bytes& surplus = surplus_[{weights, context_tokens}];
  if (measured - need.total() <= surplus) return;
  surplus = measured - need.total();
  ++version_;
}

void Catalog::remove(ModelId model) {
  const auto found = models_.find(model);
  if (found == models_.end()) return;
  if (found->second.spec) {
    const WeightsId weights = found->second.spec->weights;
    auto& sharers = sharers_[weights];
    std::erase(sharers, model);
    if (sharers.empty()) {
      sharers_.erase(weights);
      std::erase_if(surplus_, [&](const auto& entry) { return entry.first.first == weights; });
    }
  }
  models_.erase(found);
  ++version_;
}

ModelId Catalog::any_of(WeightsId weights) const {
  const auto& models = sharers(weights);
  return models.empty() ? ModelId{} : models.front();
}

const std::vector<ModelId>& Catalog::sharers(WeightsId weights) const {
  static const std::vector<ModelId> kNone;
  const auto found = sharers_.find(weights);
  return found == sharers_.end() ? kNone : found->second;
}

std::vector<PlanItem> Catalog::items(const std::vector<ModelId>& models,
                                     std::vector<std::size_t>& item_of) const {
  std::vector<PlanItem> items;
  std::vector<std::vector<ModelId>> models_of;
  item_of.clear();
  for (const ModelId model : models) {
    const ModelEntry& entry = models_.at(model);
    std::size_t index = items.size();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].weights != entry.spec->weights) continue;
      std::vector<PlanItem::Choice> both;
      for (const PlanItem::Choice& choice : items[i].choices) {
        const bool allowed = std::find(entry.fits_on.begin(), entry.fits_on.end(), choice.device) !=
                             entry.fits_on.end();
        if (allowed) both.push_back(choice);
      }
      if (both.empty()) continue;
      items[i].choices = std::move(both);
      index = i;
      break;
    }
    if (index == items.size()) {
      items.push_back(PlanItem{entry.spec->weights, {}});
      for (const DeviceId device : entry.fits_on) items.back().choices.push_back({device, 0});
      models_of.emplace_back();
    }
    models_of[index].push_back(model);
    item_of.push_back(index);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (PlanItem::Choice& choice : items[i].choices) {
      choice.bytes = shape(items[i].weights, choice.device, models_of[i]).bytes();
    }
  }
  return items;
}

}  // namespace gpumodel::core
