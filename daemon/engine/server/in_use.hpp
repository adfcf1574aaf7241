// Holds something resident in use, so that its unload waits.
#pragma once

#include <memory>
#include <utility>

namespace gpumodel::engine::server {

// `Resident` counts in `uses`. Any thread.
template <class Resident>
class InUse {
 public:
  explicit InUse(std::shared_ptr<Resident> resident) : resident_(std::move(resident)) {
    ++resident_->uses;
  }
  InUse(const InUse& other) : InUse(other.resident_) {}
  InUse& operator=(const InUse&) = delete;
  ~InUse() { --resident_->uses; }

  Resident* operator->() const { return resident_.get(); }
  Resident& operator*() const { return *resident_; }

 private:
  std::shared_ptr<Resident> resident_;
};

}  // namespace gpumodel::engine::server
