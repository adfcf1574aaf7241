// Keeps the catalog and the core true to the models' folders, by asking the probe.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/probe.hpp"

namespace gpumodel::broker {

class Inspector {
 public:
  Inspector(const Log& log, Catalog& catalog, Conductor& conductor, Probe& probe);

  // Inspects the model's folder; then, from the loop, the catalog and the core know what was found
  // and `done` is called. Callers for a model that is being inspected share one inspection.
  void inspect(core::ModelId model, std::function<void()> done);
  void inspect_all();
  // Tells the core what a new configuration says of the models whose folders are known already.
  void tell_known();
  // Before models are decided about: inspects those that may have changed since they were read,
  // which resident ones cannot. Then `done` is called, within this call where there are none, with
  // an error that is not a model's own (a lost probe), or nullptr: the core knows the rest.
  void freshen(const std::vector<core::ModelId>& models,
               std::function<void(const wire::Error*)> done);

 private:
  void ask(core::ModelId id);
  void on_answer(core::ModelId id, const EngineAnswer& answer);
  void tell_core(Model& model);
  void tell_core_bad(Model& model, wire::Error error);

  const Log& log_;
  Catalog& catalog_;
  Conductor& conductor_;
  Probe& probe_;
  std::unordered_map<core::ModelId, std::vector<std::function<void()>>> waiting_;
};

}  // namespace gpumodel::broker
