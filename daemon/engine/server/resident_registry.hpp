// Which weights, or which adapters, an engine has, and in which state.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/server/in_use.hpp"
#include "wire/error.hpp"

namespace gpumodel::engine::server {

// Any thread. Once begin_unload() has returned, nobody new can use the resident.
template <class Resident>
class ResidentRegistry {
 public:
  // What they are called in messages, in the plural: "weights".
  explicit ResidentRegistry(std::string kind) : kind_(std::move(kind)) {}

  // Throws wire::Error{state} where these are loading or loaded already.
  void begin_load(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    if (!residents_.try_emplace(id).second) throw_state(id, "are loading or loaded already");
  }

  // null: it failed
  void end_load(std::uint64_t id, std::shared_ptr<Resident> resident) {
    const std::lock_guard lock(mutex_);
    if (resident == nullptr) {
      residents_.erase(id);
    } else {
      residents_[id] = std::move(resident);
    }
  }

  // Throws wire::Error{state} where they are not ready.
  std::shared_ptr<Resident> begin_unload(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = ready(id);
    std::shared_ptr<Resident> resident = std::move(found->second);
    residents_.erase(found);
    return resident;
  }

  // Throws wire::Error{state} where they are not ready.
  InUse<Resident> use(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    return InUse<Resident>(ready(id)->second);
  }

  std::vector<InUse<Resident>> use_all() {
    const std::lock_guard lock(mutex_);
    std::vector<InUse<Resident>> all;
    for (const auto& [id, resident] : residents_)
      if (resident != nullptr) all.emplace_back(resident);
    return all;
  }

  bool knows(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    return residents_.contains(id);
  }

 private:
  using Residents = std::map<std::uint64_t, std::shared_ptr<Resident>>;

  typename Residents::iterator ready(std::uint64_t id) {
    const auto found = residents_.find(id);
    if (found == residents_.end() || found->second == nullptr) throw_state(id, "are not loaded");
    return found;
  }

  [[noreturn]] void throw_state(std::uint64_t id, const char* how) const {
    throw wire::Error(wire::Code::state, kind_ + " " + std::to_string(id) + " " + how);
  }

  const std::string kind_;
  std::mutex mutex_;
  Residents residents_;  // null while loading
};

}  // namespace gpumodel::engine::server
