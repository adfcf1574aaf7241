// How long things took: running means, for estimates only.
#pragma once

#include <map>
#include <optional>

#include "core/types.hpp"

namespace gpumodel::core {

class History {
 public:
  void loaded(bool from_host, Bytes bytes, Time took);
  void unloaded(Bytes bytes, Time took);
  // A lease of the model was held this long.
  void held(ModelId model, Time took);
  void forget(ModelId model) { holds_.erase(model); }

  // nullopt: nothing comparable has happened yet.
  std::optional<Time> load(bool from_host, Bytes bytes) const;
  std::optional<Time> unload(Bytes bytes) const;
  std::optional<Time> hold(ModelId model) const;

 private:
  // Each new value weighs a quarter.
  class Mean {
   public:
    void add(double value) { value_ = known_ ? value_ + (value - value_) / 4 : value; known_ = true; }
    std::optional<double> value() const { return known_ ? std::optional(value_) : std::nullopt; }

   private:
    bool known_ = false;
    double value_ = 0;
  };
  static std::optional<Time> times(const Mean& mean, Bytes bytes);

  Mean disk_ms_per_byte_;
  Mean host_ms_per_byte_;
  Mean unload_ms_per_byte_;
  std::map<ModelId, Mean> holds_;
};

}  // namespace gpumodel::core
