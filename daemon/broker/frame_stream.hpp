// Frames over one socket: reads whole messages, queues what the peer does not take yet.
#pragma once

#include <deque>
#include <string>

#include "broker/loop.hpp"
#include "os/fd.hpp"
#include "wire/frame.hpp"

namespace gpumodel::broker {

class FrameStream {
 public:
  enum class End {
    closed,     // the peer hung up, or the connection broke
    malformed,  // the peer broke the framing; writing still works
  };
  // Called from the loop. Both may destroy the stream.
  class Handler {
   public:
    virtual void on_frame(wire::Frame frame) = 0;
    // At most once, and nothing after it.
    virtual void on_end(End end, const std::string& reason) = 0;

   protected:
    ~Handler() = default;
  };

  // `socket` is a connected, non-blocking stream socket.
  FrameStream(asio::io_context& io, os::Fd socket, Handler& handler);

  // Begins to read.
  void start();
  // Append whole messages here, then flush().
  std::string& output() { return output_; }
  // The descriptor travels with the first byte of what is appended to the output next: a whole
  // message, before the next flush().
  void attach(os::Fd fd) { attached_.push_back({output_.size(), std::move(fd)}); }
  // Writes what the socket takes now and the rest when it takes more. While frames of one read are
  // handled, writing waits for the last of them, so that one read is answered by one write.
  void flush();
  std::size_t queued_bytes() const { return output_.size() - written_; }
  // Writes what the socket takes now and closes; no more calls of the handler.
  void close();
  bool is_open() const { return descriptor_.is_open(); }

 private:
  void read_more();
  void on_read(std::size_t size);
  void handle_frames();
  bool write_some();
  ssize_t write_once();
  void forget_written();
  void end(End end, const std::string& reason);

  Handler& handler_;
  asio::posix::stream_descriptor descriptor_;
  wire::FrameReader reader_;
  std::string output_;
  std::size_t written_ = 0;  // bytes at the front of output_ that are gone
  struct Attached {
    std::size_t offset = 0;  // in output_, of its first byte
    os::Fd fd;
  };
  std::deque<Attached> attached_;
  bool handling_ = false;
  bool waiting_to_write_ = false;
  Alive alive_;
};

}  // namespace gpumodel::broker
