// A client of the public protocol that hides nothing: frames and bytes in and out, with deadlines.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "wire/frame.hpp"
#include "wire/messages.hpp"

namespace gpumodel::test {

inline constexpr std::chrono::milliseconds kPatience{120'000};

// Polls until `holds`; false where kPatience passes first.
bool eventually(const std::function<bool()>& holds);

wire::AcquireParams wanted(std::vector<std::string> models, std::int64_t wait_ms = -1);

// The answer to one request, and the notifications that came before it.
struct Answer {
  wire::Frame frame;
  std::vector<wire::Frame> notifications;

  bool failed() const { return frame.error.type != msgpack::type::NIL; }
  wire::Error error() const { return wire::decode_error(frame.error); }
  template <class Result>
  Result result() const {
    if (failed()) throw error();
    return wire::decode<Result>(frame.result);
  }
};

class WireClient {
 public:
  explicit WireClient(const std::string& socket_path);
  // Takes over a connected socket.
  explicit WireClient(int connected_fd) : fd_(connected_fd) {}
  ~WireClient();
  WireClient(WireClient&& other) noexcept;
  WireClient(const WireClient&) = delete;
  WireClient& operator=(const WireClient&) = delete;

  int fd() const { return fd_; }
  void send_bytes(const std::string& bytes);
  // `carried_fd` travels with the message's first byte; the caller keeps it.
  template <class Params>
  std::uint32_t send(std::string_view method, const Params& params, int carried_fd = -1) {
    std::string message;
    wire::append_request(message, next_id_, method, params);
    if (carried_fd >= 0) {
      send_with_fd(message.substr(0, 1), carried_fd);
      message.erase(0, 1);
    }
    send_bytes(message);
    return next_id_++;
  }
  void cancel(std::uint32_t id);

  // The next frame; throws std::runtime_error at the end of the connection, and when `limit`
  // passes.
  wire::Frame read_frame(std::chrono::milliseconds limit = kPatience);
  // The next notification of this method; answers until then are kept, other notifications are not.
  wire::Frame wait_notification(std::string_view method);
  // Waits for the answer to `id`; notifications until then come with it, other answers are kept.
  Answer wait(std::uint32_t id);
  template <class Params>
  Answer ask(std::string_view method, const Params& params) {
    return wait(send(method, params));
  }
  template <class Result, class Params>
  Result call(std::string_view method, const Params& params) {
    return ask(method, params).template result<Result>();
  }
  // Reads on until the connection ends; false where it does not within the patience.
  bool reaches_end();

  // ---- the common calls
  wire::HelloResult hello(const std::string& app = "test");
  wire::LeaseGrant acquire(const std::string& model, std::int64_t wait_ms = -1);
  wire::ReleaseResult release(const wire::LeaseGrant& lease);
  // A generation of `max_tokens` from `prompt`; wait() for the id gives its end.
  std::uint32_t generate(const wire::LeaseGrant& lease, const std::string& prompt,
                         std::int64_t max_tokens, bool stream = false);

 private:
  void send_with_fd(std::string bytes, int carried_fd);

  int fd_ = -1;
  std::uint32_t next_id_ = 1;
  wire::FrameReader reader_;
  std::vector<wire::Frame> answers_;  // read while another was waited for
};

}  // namespace gpumodel::test
