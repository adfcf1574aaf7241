// The event loop's vocabulary: everything in the broker runs on one thread, in handlers of one
// io_context.
#pragma once

#include <utility>  // before Asio: its coroutine support needs std::exchange with this gcc

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "core/types.hpp"

namespace gpumodel::broker {

namespace asio = boost::asio;
using SteadyTime = std::chrono::steady_clock::time_point;

// Time since the daemon started, as the core wants it with every event.
class DaemonClock {
 public:
  core::Time now() const {
    return std::chrono::duration_cast<core::Time>(std::chrono::steady_clock::now() - start_);
  }
  // The moment of the loop's clock at which now() will be `time`.
  SteadyTime when(core::Time time) const { return start_ + time; }
  // The same for people and other machines: ms since 1970 (UTC), by the wall clock as it is set
  // now.
  std::int64_t unix_ms(core::Time time) const {
    const auto wall = std::chrono::system_clock::now().time_since_epoch() + (time - now());
    return std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
  }

 private:
  SteadyTime start_ = std::chrono::steady_clock::now();
};

// A completion that was already queued still runs after its object is gone: an object hands out
// handlers through guard(), and they do nothing once it has been destroyed.
class Alive {
 public:
  Alive() = default;
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

  template <class Handler>
  auto guard(Handler handler) const {
    return [watch = watch(), handler = std::move(handler)](auto&&... args) mutable {
      if (!watch.expired()) handler(std::forward<decltype(args)>(args)...);
    };
  }
  std::weak_ptr<char> watch() const { return token_; }

 private:
  std::shared_ptr<char> token_ = std::make_shared<char>();
};

}  // namespace gpumodel::broker
