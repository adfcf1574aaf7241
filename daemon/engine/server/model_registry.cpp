#include "engine/server/model_registry.hpp"

#include <string>

#include "wire/error.hpp"

namespace gpumodel::engine::server {
namespace {

using wire::Code;
using wire::Error;

[[noreturn]] void throw_not_ready(std::uint64_t id) {
  throw Error(Code::state, "weights " + std::to_string(id) + " are not loaded");
}

}  // namespace

void ModelRegistry::begin_load(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (!models_.try_emplace(id).second)
    throw Error(Code::state, "weights " + std::to_string(id) + " are loading or loaded already");
}

void ModelRegistry::end_load(std::uint64_t id, std::shared_ptr<ResidentModel> model) {
  const std::lock_guard lock(mutex_);
  if (model == nullptr) {
    models_.erase(id);
  } else {
    models_[id] = std::move(model);
  }
}

void ModelRegistry::begin_unload(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(id);
  if (found == models_.end() || found->second == nullptr) throw_not_ready(id);
  models_.erase(found);
}

ModelUse ModelRegistry::use(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = models_.find(id);
  if (found == models_.end() || found->second == nullptr) throw_not_ready(id);
  return ModelUse(found->second);
}

std::vector<ModelUse> ModelRegistry::use_all() {
  const std::lock_guard lock(mutex_);
  std::vector<ModelUse> all;
  for (const auto& [id, model] : models_)
    if (model != nullptr) all.emplace_back(model);
  return all;
}

}  // namespace gpumodel::engine::server
