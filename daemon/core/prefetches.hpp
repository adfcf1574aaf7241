// What sessions said they will want soon.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/types.hpp"

namespace gpumodel::core {

class Prefetches {
 public:
  static constexpr Time kLife{10'000};

  void want(SessionId session, ModelId model, Time now) { wishes_[session][model] = now + kLife; }
  // It has what it wanted.
  void granted(SessionId session, ModelId model);
  void close(SessionId session) { wishes_.erase(session); }
  // Drops what is over.
  void expire(Time now);
  // Of wishes that are not over: the models, each once.
  std::vector<ModelId> models(Time now) const;
  std::optional<Time> next_expiry() const;

 private:
  std::map<SessionId, std::map<ModelId, Time>> wishes_;
};

}  // namespace gpumodel::core
