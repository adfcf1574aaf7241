// Which weights an engine has, and in which state.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/server/resident_model.hpp"

namespace gpumodel::engine::server {

// Any thread. Once begin_unload() has returned, nobody new can use the model.
class ModelRegistry {
 public:
  // Throws wire::Error{state} where these weights are loading or loaded already.
  void begin_load(std::uint64_t id);
  void end_load(std::uint64_t id, std::shared_ptr<ResidentModel> model);  // null: it failed
  // Throws wire::Error{state} where they are not ready.
  void begin_unload(std::uint64_t id);
  ModelUse use(std::uint64_t id);
  std::vector<ModelUse> use_all();

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<ResidentModel>> models_;  // null while loading
};

}  // namespace gpumodel::engine::server
