// The engine's end of the socketpair to the broker: frames in, whole messages out.
//
//   Channel channel(os::Fd(fd));
//   while (channel.serve_once(Channel::kForever, [&](wire::Frame frame, os::Fd fd) { ... })) {}
//
// Output is bounded by those who produce it: whoever streams looks at backlogged() first and waits
// with wait_for_room(). The channel itself stops reading requests at twice the limit, so that
// answers to requests are bounded, too.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "os/fd.hpp"
#include "wire/frame.hpp"

namespace gpumodel::engine::server {

class Channel {
 public:
  // `fd` is the descriptor that travelled with the frame, or empty where none does.
  using FrameHandler = std::function<void(wire::Frame, os::Fd fd)>;

  static constexpr std::chrono::milliseconds kForever{-1};

  // Takes a connected stream socket and makes it non-blocking and close-on-exec. Throws
  // std::system_error where the descriptor is not open or no stream socket.
  explicit Channel(os::Fd socket);

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
  // lost then. Always from the same thread. Throws FramingError (also for a frame whose descriptor
  // did not come, and for more than wire::kMaxWaitingFds that no frame has named) and
  // std::system_error: the channel is of no more use then.
  bool serve_once(std::chrono::milliseconds timeout, const FrameHandler& handler);

 private:
  std::size_t unsent_locked() const { return output_.size() - sent_; }
  bool read_frames(const FrameHandler& handler);
  ssize_t receive(std::span<char> room);
  os::Fd take_fd();
  bool write_output();
  void drain_wake();

  os::Fd socket_;
  os::Fd event_;
  wire::FrameReader reader_;
  std::deque<os::Fd> fds_;  // in the order of the frames that will name them

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string output_;
  std::size_t sent_ = 0;
};

}  // namespace gpumodel::engine::server
