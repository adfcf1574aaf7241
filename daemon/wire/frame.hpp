// MessagePack-RPC framing (https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md), without I/O.
//
//   FrameReader reader;
//   auto room = reader.prepare(64 * 1024);
//   reader.commit(read(fd, room.data(), room.size()));
//   while (auto frame = reader.next()) handle(*frame);
#pragma once

#include <cstdint>
#include <memory>
#include <msgpack.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/error.hpp"
#include "wire/limits.hpp"

namespace gpumodel::wire {

// Finds where one message ends, in pieces of any size, without allocating for what the bytes claim.
class MessageScanner {
 public:
  explicit MessageScanner(FrameLimits limits = {}) : limits_(limits) {}

  // Goes on in `bytes`, which starts with the first byte of the message every time and has grown since the
  // last call. The message's length once it is whole, 0 before. Throws FramingError past a limit.
  std::size_t scan(std::string_view bytes);
  void reset();

 private:
  void enter(std::uint64_t values);
  void leave_finished();

  FrameLimits limits_;
  std::size_t offset_ = 0;
  std::uint64_t values_ = 0;
  std::vector<std::uint64_t> open_;  // values still missing in each open container
};

// One message. The objects point into `memory`.
struct Frame {
  enum class Kind { request, response, notification };

  Kind kind = Kind::notification;
  std::uint32_t id = 0;      // request and response
  std::string method;        // request and notification
  msgpack::object params;    // request and notification: a map
  msgpack::object error;     // response: nil or a map
  msgpack::object result;    // response
  std::shared_ptr<msgpack::object_handle> memory;
};

// Decodes one whole message. Throws FramingError where it is no MessagePack-RPC message of this protocol.
Frame decode_frame(std::string_view message);

// Bytes in, frames out. Holds at most one message's limit and one read more.
class FrameReader {
 public:
  explicit FrameReader(FrameLimits limits = {}) : limits_(limits), scanner_(limits) {}

  // Room to read into, of at least `size` bytes; valid until the next call.
  std::span<char> prepare(std::size_t size);
  // How many bytes of the room were filled.
  void commit(std::size_t size);
  // The next whole message, or nothing until more bytes are committed. Throws FramingError; after that
  // the reader is of no more use.
  std::optional<Frame> next();
  // Bytes received that do not make a whole message yet.
  std::size_t pending_bytes() const { return end_ - begin_; }

 private:
  FrameLimits limits_;
  MessageScanner scanner_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace gpumodel::wire
