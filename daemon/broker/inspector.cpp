#include "broker/inspector.hpp"

#include <fmt/format.h>

#include <memory>
#include <set>

#include "broker/log_messages.hpp"

namespace gpumodel::broker {

Inspector::Inspector(const Log& log, Catalog& catalog, Conductor& conductor, Probe& probe)
    : log_(log), catalog_(catalog), conductor_(conductor), probe_(probe) {}

void Inspector::inspect(core::ModelId id, std::function<void()> done) {
  auto& waiting = waiting_[id];
  waiting.push_back(std::move(done));
  if (waiting.size() == 1) ask(id);
}

void Inspector::ask(core::ModelId id) {
  const ModelConfig asked = catalog_.at(id).config;
  wire::InspectParams params;
  params.path = asked.path;
  params.dtype = asked.dtype;
  if (!asked.adapter_path.empty()) params.adapter_path = asked.adapter_path;
  probe_.request("inspect", params, [this, id, asked](const EngineAnswer& answer) {
    // The configuration may have changed meanwhile: then this is an answer about something else.
    if (!reads_same_files(catalog_.at(id).config, asked)) return ask(id);
    on_answer(id, answer);
  });
}

void Inspector::inspect_all() {
  for (const Model& model : catalog_.all())
    if (!model.removed) inspect(model.id, [] {});
}

void Inspector::tell_known() {
  for (const Model& known : catalog_.all()) {
    if (known.removed || !known.facts || known.error) continue;
    Model& model = catalog_.at(known.id);
    try {
      tell_core(model);
    } catch (const wire::Error& error) {
      tell_core_bad(model, error);
    }
  }
}

void Inspector::freshen(const std::vector<core::ModelId>& models,
                        std::function<void(const wire::Error*)> done) {
  std::set<core::ModelId> to_inspect;
  for (const core::ModelId id : models) {
    const Model& model = catalog_.at(id);
    const bool may_have_changed =
        !conductor_.is_resident(model.weights) ||
        (!model.config.adapter_path.empty() && !conductor_.is_resident(model.adapter));
    if (model.error || may_have_changed) to_inspect.insert(id);
  }
  if (to_inspect.empty()) return done(nullptr);
  const auto left = std::make_shared<std::size_t>(to_inspect.size());
  for (const core::ModelId id : to_inspect)
    inspect(id, [this, models, left, done] {
      if (--*left != 0) return;
      for (const core::ModelId each : models) {
        const auto& error = catalog_.at(each).error;
        if (error && error->code != wire::Code::model_bad) return done(&*error);
      }
      done(nullptr);
    });
}

void Inspector::on_answer(core::ModelId id, const EngineAnswer& answer) {
  Model& model = catalog_.at(id);
  if (model.removed) {
    // Nobody gets it any more.
  } else if (answer.error) {
    tell_core_bad(model, *answer.error);
  } else {
    try {
      catalog_.found(model, wire::decode<wire::InspectResult>(*answer.result));
      tell_core(model);
    } catch (const wire::Error& error) {
      tell_core_bad(model, error);
    }
  }
  const auto waiting = std::move(waiting_[id]);
  waiting_.erase(id);
  for (const auto& done : waiting) done();
}

void Inspector::tell_core(Model& model) {
  const wire::InspectResult& facts = *model.facts;
  const ModelConfig& config = model.config;
  if (config.context_tokens > facts.context_tokens)
    throw wire::Error(wire::Code::model_bad,
                      fmt::format("context_tokens = {} in the configuration is more than the "
                                  "model's {}",
                                  config.context_tokens, facts.context_tokens));
  core::ModelSpec spec;
  spec.id = model.id;
  spec.name = config.name;
  spec.weights = model.weights;
  if (facts.adapter) spec.adapter = core::AdapterSpec{model.adapter, facts.adapter->bytes};
  spec.tensor_bytes = facts.tensor_bytes;
  spec.image_bytes = facts.image_bytes;
  spec.workspace_bytes = facts.workspace_bytes;
  spec.kv_bytes_per_token = facts.kv_bytes_per_token;
  spec.context_is_explicit = config.context_tokens != 0;
  spec.context_tokens = spec.context_is_explicit ? config.context_tokens : facts.context_tokens;
  spec.memory_cap_bytes = config.memory_cap_bytes;
  spec.policy.auto_unload = config.auto_unload;
  spec.policy.idle_grace = config.idle_grace;
  spec.policy.pinned = config.pin;
  spec.policy.preload = config.preload;
  spec.devices = conductor_.devices_named(config.devices);
  if (spec.devices.empty()) return;  // an acquire answers `device`
  conductor_.decide([&](core::Core& core, core::Time now) { return core.set_model(now, spec); });
}

void Inspector::tell_core_bad(Model& model, wire::Error error) {
  log_.error(messages::kModelUnusable, {{"MODEL", model.config.name}, {"REASON", error.message}});
  model.error = std::move(error);
  // A lost probe says nothing about the model.
  if (model.error->code != wire::Code::model_bad) return;
  conductor_.decide([&](core::Core& core, core::Time now) {
    return core.set_model_bad(now, model.id, model.config.name, model.error->message);
  });
}

}  // namespace gpumodel::broker
