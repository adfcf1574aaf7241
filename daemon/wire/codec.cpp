#include "wire/codec.hpp"

#include <cmath>

namespace gpumodel::wire {

void throw_wrong_type(std::string_view key, std::string_view expected) {
  throw Error(Code::invalid, std::string(key) + ": expected " + std::string(expected));
}

void write(Packer& packer, const Raw& value) {
  if (value.bytes.empty()) {
    packer.pack_nil();
  } else {
    // A bin/str body is the packer's one way to append bytes as they are.
    packer.pack_str_body(value.bytes.data(), static_cast<std::uint32_t>(value.bytes.size()));
  }
}

std::int64_t read_int(const msgpack::object& object, std::string_view key, std::int64_t least,
                      std::uint64_t most, bool& above_int64) {
  above_int64 = false;
  if (object.type == msgpack::type::POSITIVE_INTEGER) {
    if (object.via.u64 <= most) {
      above_int64 = object.via.u64 > static_cast<std::uint64_t>(INT64_MAX);
      return static_cast<std::int64_t>(object.via.u64);
    }
  } else if (object.type == msgpack::type::NEGATIVE_INTEGER) {
    if (object.via.i64 >= least) return object.via.i64;
  } else {
    throw_wrong_type(key, "an integer");
  }
  throw_wrong_type(key, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
}

void read(const msgpack::object& object, std::string_view key, bool& out) {
  if (object.type != msgpack::type::BOOLEAN) throw_wrong_type(key, "true or false");
  out = object.via.boolean;
}

void read(const msgpack::object& object, std::string_view key, double& out) {
  switch (object.type) {
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      out = object.via.f64;
      break;
    case msgpack::type::POSITIVE_INTEGER:
      out = static_cast<double>(object.via.u64);
      break;
    case msgpack::type::NEGATIVE_INTEGER:
      out = static_cast<double>(object.via.i64);
      break;
    default:
      throw_wrong_type(key, "a number");
  }
  if (std::isnan(out)) throw_wrong_type(key, "a number, not NaN");
}

void read(const msgpack::object& object, std::string_view key, float& out) {
  double wide = 0;
  read(object, key, wide);
  out = static_cast<float>(wide);
}

void read(const msgpack::object& object, std::string_view key, std::string& out) {
  if (object.type != msgpack::type::STR) throw_wrong_type(key, "a string");
  const std::string_view text(object.via.str.ptr, object.via.str.size);
  if (!is_valid_utf8(text)) throw_wrong_type(key, "valid UTF-8");
  out = text;
}

void read(const msgpack::object& object, std::string_view, Raw& out) {
  out.bytes.clear();
  StringSink sink{out.bytes};
  Packer(sink).pack(object);
}

const msgpack::object* find(const msgpack::object& map, std::string_view key) {
  for (std::uint32_t i = 0; i < map.via.map.size; ++i) {
    const msgpack::object_kv& pair = map.via.map.ptr[i];
    if (pair.key.type == msgpack::type::STR &&
        std::string_view(pair.key.via.str.ptr, pair.key.via.str.size) == key)
      return pair.val.type == msgpack::type::NIL ? nullptr : &pair.val;
  }
  return nullptr;
}

namespace {

// Error as it stands on the wire.
struct ErrorMap {
  std::int32_t code = 0;
  std::string name;
  std::string message;
  Raw detail;
  bool retryable = false;
  std::optional<std::uint32_t> retry_after_ms;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("code", self.code);
    visit("name", self.name);
    visit("message", self.message);
    visit("detail", self.detail);
    visit("retryable", self.retryable);
    visit("retry_after_ms", self.retry_after_ms);
  }
};

ErrorMap to_map(const Error& error) {
  return {static_cast<std::int32_t>(error.code),
          std::string(code_name(error.code)),
          error.message,
          Raw{error.detail},
          error.retryable,
          error.retry_after_ms};
}

}  // namespace

void append_error_response(std::string& out, std::uint32_t id, const Error& error) {
  StringSink sink{out};
  Packer packer(sink);
  packer.pack_array(4);
  packer.pack(1);
  packer.pack(id);
  write(packer, to_map(error));
  packer.pack_nil();
}

Error decode_error(const msgpack::object& map) {
  const auto fields = decode<ErrorMap>(map);
  Error error(static_cast<Code>(fields.code), fields.message);
  error.detail = fields.detail.bytes;
  error.retryable = fields.retryable;
  error.retry_after_ms = fields.retry_after_ms;
  return error;
}

Raw encode_error(const Error& error) { return Raw{encode(to_map(error))}; }

bool is_valid_utf8(std::string_view text) {
  const auto* byte = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = byte + text.size();
  while (byte != end) {
    if (*byte < 0x80) {
      ++byte;
      continue;
    }
    // Table 3-7 of the Unicode standard: the second byte's range depends on the first.
    int more = 0;
    unsigned char least = 0x80, most = 0xbf;
    if (*byte >= 0xc2 && *byte <= 0xdf) {
      more = 1;
    } else if (*byte >= 0xe0 && *byte <= 0xef) {
      more = 2;
      if (*byte == 0xe0) least = 0xa0;
      if (*byte == 0xed) most = 0x9f;
    } else if (*byte >= 0xf0 && *byte <= 0xf4) {
      more = 3;
      if (*byte == 0xf0) least = 0x90;
      if (*byte == 0xf4) most = 0x8f;
    } else {
      return false;
    }
    if (end - byte <= more || byte[1] < least || byte[1] > most) return false;
    for (int i = 2; i <= more; ++i)
      if (byte[i] < 0x80 || byte[i] > 0xbf) return false;
    byte += more + 1;
  }
  return true;
}

}  // namespace gpumodel::wire
