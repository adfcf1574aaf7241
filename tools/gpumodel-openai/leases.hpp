// The leases that requests run on, one for each model: the first request takes it, others at the
// same time share it, and it is released when it has not been used for a while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <gpumodel.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gpumodel-openai/api_error.hpp"

namespace gpumodel_openai {

struct LeaseSettings {
  std::string socket;                      // of the daemon; empty: the library's default
  std::chrono::milliseconds keep{30'000};  // after a last use; 0: not at all
  std::chrono::milliseconds wait{60'000};  // that a request may queue for a model
};

// Any thread.
class Leases {
 public:
  class Use;

  explicit Leases(LeaseSettings settings);
  ~Leases();
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  // Returns when the model is ready. Throws ApiError.
  Use take(const std::string& model);
  // Throws ApiError.
  std::vector<gpumodel::ModelInfo> models();

 private:
  struct Held {
    std::timed_mutex mutex;         // of the acquisition
    std::optional<ApiError> error;  // of it: what all that waited for it are told
    gpumodel::Client client;
    gpumodel::Lease lease;
    int users = 0;  // guarded by Leases::mutex_, as what follows
    bool is_broken = false;
    std::chrono::steady_clock::time_point idle_since;
  };

  void acquire(Held& held, const std::string& model);
  void give_back(const std::string& model, const std::shared_ptr<Held>& held);
  void release_idle();

  const LeaseSettings settings_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<Held>> held_;
  bool is_stopping_ = false;
  std::thread reaper_;
};

// A lease for the duration of a request.
class Leases::Use {
 public:
  Use(Leases& leases, std::string model, std::shared_ptr<Held> held)
      : leases_(&leases), model_(std::move(model)), held_(std::move(held)) {}
  Use(Use&& other) noexcept = default;
  Use& operator=(Use&&) = delete;
  ~Use() {
    if (held_) leases_->give_back(model_, held_);
  }

  gpumodel::Lease& lease() { return held_->lease; }
  // It failed for good: the next request takes another.
  void set_broken();

 private:
  Leases* leases_;
  std::string model_;
  std::shared_ptr<Held> held_;
};

}  // namespace gpumodel_openai
