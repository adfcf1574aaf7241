// Open requests, and the one answer that each gets.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "engine/server/channel.hpp"
#include "wire/codec.hpp"
#include "wire/error.hpp"

namespace gpumodel::engine::server {

// Which requests are open, and how to ask each to stop. Any thread.
class RequestTable {
 public:
  // Bounds every queue in the engine: what waits somewhere is an open request.
  static constexpr std::size_t kMaxOpen = 4096;

  // Throws wire::Error: `invalid` where the id is open already, `quota` beyond kMaxOpen.
  std::stop_token open(std::uint32_t id);
  void close(std::uint32_t id);
  // Whether there is such a request; asks it to stop.
  bool request_stop(std::uint32_t id);
  void stop_all();

 private:
  std::mutex mutex_;
  std::map<std::uint32_t, std::stop_source> open_;
};

// Answers its request exactly once: by succeed() or fail(), or else with `internal` when it is
// destroyed. Handed from thread to thread, used by one at a time.
class Reply {
 public:
  Reply(Channel& channel, RequestTable& table, std::uint32_t id);
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply();

  std::uint32_t id() const { return id_; }
  Channel& channel() const { return channel_; }
  const std::stop_token& stop() const { return stop_; }

  template <class Result>
  void succeed(const Result& result) {
    std::string message;
    wire::append_response(message, id_, result);
    send(message);
  }
  void fail(const wire::Error& error);

 private:
  void send(const std::string& message);

  Channel& channel_;
  RequestTable& table_;
  std::uint32_t id_;
  std::stop_token stop_;
  bool answered_ = false;
};

// Jobs are copied around in std::function.
using ReplyPtr = std::shared_ptr<Reply>;

// The error that a client sees for an exception of the engine: BadModel is `model_bad`, OutOfMemory
// and bad_alloc are `nomem`, a cancelled load is `interrupted`, wire::Error is itself, and anything
// else is `internal` with its text.
wire::Error to_wire_error(std::exception_ptr exception);

}  // namespace gpumodel::engine::server
