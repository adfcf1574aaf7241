#include "wire/frame.hpp"

#include <cstring>

namespace gpumodel::wire {
namespace {

// What one MessagePack head announces (the format table of the MessagePack specification).
struct Head {
  std::size_t head_bytes = 1;   // the type byte and the length that follows it
  std::uint64_t body_bytes = 0; // payload right behind the head
  std::uint64_t children = 0;   // values that follow for an array or a map
};

std::uint64_t big_endian(const char* bytes, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// The number of length bytes behind `type`, for types that have some.
std::size_t length_bytes(unsigned char type) {
  switch (type) {
    case 0xc4: case 0xc7: case 0xd9: return 1;
    case 0xc5: case 0xc8: case 0xda: case 0xdc: case 0xde: return 2;
    case 0xc6: case 0xc9: case 0xdb: case 0xdd: case 0xdf: return 4;
    default: return 0;
  }
}

std::uint64_t fixed_body_bytes(unsigned char type) {
  switch (type) {
    case 0xcc: case 0xd0: return 1;
    case 0xcd: case 0xd1: return 2;
    case 0xca: case 0xce: case 0xd2: return 4;
    case 0xcb: case 0xcf: case 0xd3: return 8;
    case 0xd4: return 2;
    case 0xd5: return 3;
    case 0xd6: return 5;
    case 0xd7: return 9;
    case 0xd8: return 17;
    default: return 0;
  }
}

// Nothing while the head itself is not whole.
std::optional<Head> read_head(std::string_view bytes) {
  const auto type = static_cast<unsigned char>(bytes[0]);
  if (type == 0xc1) throw FramingError("byte 0xc1 is no MessagePack type");
  Head head;
  if (type >= 0x80 && type <= 0x8f) {
    head.children = 2u * (type & 0x0f);
  } else if (type >= 0x90 && type <= 0x9f) {
    head.children = type & 0x0f;
  } else if (type >= 0xa0 && type <= 0xbf) {
    head.body_bytes = type & 0x1f;
  } else if (const std::size_t size = length_bytes(type); size != 0) {
    if (bytes.size() < 1 + size) return std::nullopt;
    head.head_bytes = 1 + size;
    const std::uint64_t length = big_endian(bytes.data() + 1, size);
    const bool is_array = type == 0xdc || type == 0xdd;
    const bool is_map = type == 0xde || type == 0xdf;
    const bool is_ext = type >= 0xc7 && type <= 0xc9;
    if (is_array || is_map) {
      head.children = is_map ? 2 * length : length;
    } else {
      head.body_bytes = length + (is_ext ? 1 : 0);
    }
  } else {
    head.body_bytes = fixed_body_bytes(type);
  }
  return head;
}

std::string size_text(std::size_t size) { return std::to_string(size); }

}  // namespace

void MessageScanner::reset() {
  offset_ = 0;
  values_ = 0;
  open_.clear();
}

void MessageScanner::enter(std::uint64_t values) {
  if (open_.size() >= limits_.depth)
    throw FramingError("nesting deeper than " + size_text(limits_.depth));
  if (values > limits_.values - values_)
    throw FramingError("more than " + size_text(limits_.values) + " values in one message");
  open_.push_back(values);
}

void MessageScanner::leave_finished() {
  while (!open_.empty() && open_.back() == 0) open_.pop_back();
}

std::size_t MessageScanner::scan(std::string_view bytes) {
  while (offset_ < bytes.size()) {
    const auto head = read_head(bytes.substr(offset_));
    if (!head) break;
    const std::uint64_t end = offset_ + head->head_bytes + head->body_bytes;
    if (end > limits_.message_bytes)
      throw FramingError("a message longer than " + size_text(limits_.message_bytes) + " bytes");
    if (end > bytes.size()) return 0;
    offset_ = end;
    if (++values_ > limits_.values)
      throw FramingError("more than " + size_text(limits_.values) + " values in one message");
    if (!open_.empty()) --open_.back();
    if (head->children != 0) enter(head->children);
    leave_finished();
    if (open_.empty()) return offset_;
  }
  if (bytes.size() > limits_.message_bytes)
    throw FramingError("a message longer than " + size_text(limits_.message_bytes) + " bytes");
  return 0;
}

namespace {

std::uint32_t frame_id(const msgpack::object& value) {
  if (value.type != msgpack::type::POSITIVE_INTEGER || value.via.u64 > 0xffffffffu)
    throw FramingError("a message id is not an integer from 0 to 2^32-1");
  return static_cast<std::uint32_t>(value.via.u64);
}

void read_call(const msgpack::object& method, const msgpack::object& params, Frame& frame) {
  if (method.type != msgpack::type::STR) throw FramingError("a method name is not a string");
  frame.method.assign(method.via.str.ptr, method.via.str.size);
  if (params.type != msgpack::type::ARRAY || params.via.array.size != 1 ||
      params.via.array.ptr[0].type != msgpack::type::MAP)
    throw FramingError("params are not an array of one map");
  frame.params = params.via.array.ptr[0];
}

}  // namespace

Frame decode_frame(std::string_view message) {
  const FrameLimits limits;
  Frame frame;
  try {
    // Everything is copied into the zone, so that the frame outlives the read buffer.
    frame.memory = std::make_shared<msgpack::object_handle>(msgpack::unpack(
        message.data(), message.size(), nullptr, nullptr,
        msgpack::unpack_limit(limits.values, limits.values, limits.message_bytes,
                              limits.message_bytes, limits.message_bytes, limits.depth + 1)));
  } catch (const msgpack::unpack_error& error) {
    throw FramingError(std::string("not MessagePack: ") + error.what());
  }
  const msgpack::object& root = frame.memory->get();
  if (root.type != msgpack::type::ARRAY || root.via.array.size < 3 ||
      root.via.array.ptr[0].type != msgpack::type::POSITIVE_INTEGER)
    throw FramingError("not a MessagePack-RPC message");
  const msgpack::object* part = root.via.array.ptr;
  const std::uint32_t size = root.via.array.size;
  if (part[0].via.u64 == 0 && size == 4) {
    frame.kind = Frame::Kind::request;
    frame.id = frame_id(part[1]);
    read_call(part[2], part[3], frame);
  } else if (part[0].via.u64 == 1 && size == 4) {
    frame.kind = Frame::Kind::response;
    frame.id = frame_id(part[1]);
    frame.error = part[2];
    frame.result = part[3];
  } else if (part[0].via.u64 == 2 && size == 3) {
    frame.kind = Frame::Kind::notification;
    read_call(part[1], part[2], frame);
  } else {
    throw FramingError("not a MessagePack-RPC message");
  }
  return frame;
}

std::span<char> FrameReader::prepare(std::size_t size) {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    // A burst must not pin its memory on an idle connection.
    if (buffer_.size() > 4 * size) std::vector<char>().swap(buffer_);
  }
  if (buffer_.size() - end_ < size) {
    if (begin_ != 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (buffer_.size() - end_ < size) buffer_.resize(end_ + std::max(size, end_ / 2));
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void FrameReader::commit(std::size_t size) { end_ += size; }

std::optional<Frame> FrameReader::next() {
  if (begin_ == end_) return std::nullopt;
  const std::string_view bytes(buffer_.data() + begin_, end_ - begin_);
  const std::size_t length = scanner_.scan(bytes);
  if (length == 0) return std::nullopt;
  scanner_.reset();
  Frame frame = decode_frame(bytes.substr(0, length));
  begin_ += length;
  return frame;
}

}  // namespace gpumodel::wire
