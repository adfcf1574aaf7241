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

std::vector<PlanItem::Choice> choices_on(const std::vector<DeviceId>& devices) {
  std::vector<PlanItem::Choice> choices;
  for (const DeviceId device : devices) choices.push_back({device, 0});
  return choices;
}

// An item of the model's weights with a device that is allowed to this one, too: the item is
// narrowed to those.
std::optional<std::size_t> share_item(std::vector<PlanItem>& items, const ModelEntry& entry) {
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
    return i;
  }
  return std::nullopt;
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

void Catalog::add_sharer(const ModelSpec& spec) {
  sharers_[spec.weights].push_back(spec.id);
  if (spec.adapter) sharers_[spec.adapter->id].push_back(spec.id);
}

void Catalog::remove_sharer(const ModelSpec& spec) {
  std::erase(sharers_.at(spec.weights), spec.id);
  if (spec.adapter) std::erase(sharers_.at(spec.adapter->id), spec.id);
}

void Catalog::forget_unshared() {
  std::erase_if(sharers_, [](const auto& entry) { return entry.second.empty(); });
  std::erase_if(surplus_,
                [&](const auto& entry) { return sharers_.count(entry.first.first) == 0; });
}

void Catalog::adopt(ModelEntry& entry, ModelSpec spec) {
  if (entry.spec) remove_sharer(*entry.spec);
  add_sharer(spec);
  forget_unshared();
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
  const Bytes adapter = spec.adapter ? std::min(spec.adapter->bytes, kMaxBytes) : 0;
  const Bytes fixed = need_of(spec, 0).total() + adapter;
  if (!spec.context_is_explicit && need_of(spec, tokens).total() + adapter > largest) {
    const std::uint32_t least = std::min(tokens, kContextPageTokens);
    const Bytes room = largest - std::min(largest, fixed);
    const Bytes pages = room / std::max<Bytes>(1, context_bytes(spec, kContextPageTokens));
    tokens = static_cast<std::uint32_t>(
        std::min<Bytes>(tokens, std::min<Bytes>(pages, tokens) * kContextPageTokens));
    tokens = std::max(tokens, least);
  }
  entry.context_tokens = tokens;
  const Bytes needed = need_of(spec, tokens).total() + adapter;
  for (const DeviceId device : spec.devices) {
    const auto budget = budgets_.find(device);
    if (budget != budgets_.end() && needed <= limit_of(spec, budget->second)) {
      entry.fits_on.push_back(device);
    }
  }
  entry.shortage = Shortage{needed, needed - std::min(needed, largest), largest};
}

Bytes Catalog::adapters_of(const std::vector<ModelId>& models) const {
  std::map<WeightsId, Bytes> adapters;
  for (const ModelId model : models) {
    if (const auto& adapter = models_.at(model).spec->adapter)
      adapters[adapter->id] = std::min(adapter->bytes, kMaxBytes);
  }
  Bytes all = 0;
  for (const auto& [id, bytes] : adapters) all += bytes;
  return all;
}

Catalog::Shape Catalog::shape(WeightsId weights, DeviceId device,
                              const std::vector<ModelId>& models) const {
  Shape shape;
  for (const ModelId model : models) {
    const auto& adapter = models_.at(model).spec->adapter;
    if (!adapter || adapter->id != weights) continue;
    return Shape{Need{std::min(adapter->bytes, kMaxBytes), 0, 0}, 0, 0, model, true};
  }
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
  // Beside the adapters that come with them.
  const Bytes budget = budgets_.at(device) - std::min(budgets_.at(device), adapters_of(models));
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
  if (found->second.spec) remove_sharer(*found->second.spec);
  forget_unshared();
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

Needed Catalog::needed(const std::vector<ModelId>& models) const {
  Needed needed;
  std::vector<PlanItem>& items = needed.items;
  std::vector<std::vector<ModelId>> models_of;
  const auto add = [&](PlanItem item) {
    items.push_back(std::move(item));
    models_of.emplace_back();
    return items.size() - 1;
  };
  for (const ModelId model : models) {
    const ModelEntry& entry = models_.at(model);
    std::optional<std::size_t> index = share_item(items, entry);
    if (!index) index = add({entry.spec->weights, choices_on(entry.fits_on), {}});
    models_of[*index].push_back(model);
    needed.weights_of.push_back(*index);
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto& adapter = models_.at(models[i]).spec->adapter;
    std::optional<std::size_t>& index = needed.adapter_of.emplace_back();
    if (!adapter) continue;
    const std::size_t weights = needed.weights_of[i];
    for (std::size_t known = 0; known < items.size(); ++known) {
      if (items[known].weights == adapter->id && items[known].beside == weights) index = known;
    }
    if (!index) index = add({adapter->id, items[weights].choices, weights});
    models_of[*index].push_back(models[i]);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (PlanItem::Choice& choice : items[i].choices) {
      choice.bytes = shape(items[i].weights, choice.device, models_of[i]).bytes();
    }
  }
  return needed;
}

}  // namespace gpumodel::core
