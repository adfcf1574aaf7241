// The engine's end of the socketpair to the broker: frames in, whole messages out.
//
//   Channel channel(io::Fd(fd));
//   while (channel.serve_once(Channel::kForever, [&](wire::Frame frame) { ... })) {}
//
// Output is bounded by those who produce it: whoever streams looks at backlogged() first and waits
// with wait_for_room(). The channel itself stops reading requests at twice the limit, so that
// answers to requests are bounded, too.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/io/fd.hpp"
#include "wire/frame.hpp"

namespace gpumodel::engine::server {

class Channel {
 public:
  using FrameHandler = std::function<void(wire::Frame)>;

  static constexpr std::chrono::milliseconds kForever{-1};

  // Takes a connected stream socket and makes it non-blocking and close-on-exec. Throws
  // std::system_error where the descriptor is not open or no stream socket.
  explicit Channel(io::Fd socket);

  // Appends whole messages to the output. Any thread; never blocks on the peer.
  void send(std::string_view messages);
  // Makes a serve_once() that waits return. Any thread.
  void wake() noexcept;

  // Whether the peer has left kOutputLimitBytes or more unread. Any thread.
  bool backlogged() const;
  // Waits until !backlogged(), at most `timeout`; whether there is room. Any thread but the serving
  // one.
  bool wait_for_room(std::chrono::milliseconds timeout);

  // Waits for the peer, a send() or a wake(), at most `timeout`; writes what can be written and
  // calls `handler` for each whole frame. False when the peer has closed; what was not written is
  // lost then. Always from the same thread. Throws FramingError and std::system_error: the channel
  // is of no more use then.
  bool serve_once(std::chrono::milliseconds timeout, const FrameHandler& handler);

 private:
  std::size_t unsent_locked() const { return output_.size() - sent_; }
  bool read_frames(const FrameHandler& handler);
  bool write_output();
  void drain_wake();

  io::Fd socket_;
  io::Fd event_;
  wire::FrameReader reader_;

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string output_;
  std::size_t sent_ = 0;
};

}  // namespace gpumodel::engine::server
