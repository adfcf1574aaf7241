// What the models of a request need somewhere.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/planner.hpp"

namespace gpumodel::core {

struct Needed {
  std::vector<PlanItem> items;
  std::vector<std::size_t> weights_of;                 // for each model, the item
  std::vector<std::optional<std::size_t>> adapter_of;  // for each model, where it has one

  // Those of `models`, the request's, that need the item.
  std::vector<ModelId> models_on(std::size_t item, const std::vector<ModelId>& models) const {
    std::vector<ModelId> on;
    for (std::size_t i = 0; i < models.size(); ++i) {
      if (weights_of[i] == item || adapter_of[i] == item) on.push_back(models[i]);
    }
    return on;
  }
};

}  // namespace gpumodel::core
