// MessagePack maps to structs and back, from one list of fields per struct.
//
//   struct Cancel {
//     std::uint32_t request = 0;
//     template <class Self, class Visitor>
//     static void fields(Self& self, Visitor&& visit) { visit("request", self.request); }
//   };
//
// Writing an absent std::optional writes nil. Reading ignores unknown keys; a key that is absent or nil
// leaves the field as it was; a value of the wrong type or out of the field's range throws
// Error{Code::invalid} that names the key.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/error.hpp"

namespace gpumodel::wire {

// msgpack-c's packer writes into anything with write(); this appends to a string.
struct StringSink {
  std::string& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};
using Packer = msgpack::packer<StringSink>;

// Bytes that are MessagePack already, taken over as they are (an error's detail, another peer's map).
struct Raw {
  std::string bytes;  // one encoded value, or empty for nil
};

struct FieldProbe {
  template <class T>
  void operator()(std::string_view, T&) {}
};

template <class T>
concept Fielded = requires(T& value, FieldProbe probe) { T::fields(value, probe); };

[[noreturn]] void throw_wrong_type(std::string_view key, std::string_view expected);

// ---- writing

// All are declared before any is defined: they call each other on standard types, which no
// argument-dependent lookup would find.
template <class A, class B>
void write(Packer& packer, const std::pair<A, B>& value);
template <class T>
void write(Packer& packer, const std::optional<T>& value);
template <class T>
void write(Packer& packer, const std::vector<T>& values);
template <class T>
void write(Packer& packer, const std::map<std::string, T>& values);
template <Fielded T>
void write(Packer& packer, const T& value);

inline void write(Packer& packer, bool value) { packer.pack(value); }
inline void write(Packer& packer, const std::string& value) { packer.pack(value); }
inline void write(Packer& packer, std::string_view value) {
  packer.pack_str(static_cast<std::uint32_t>(value.size()));
  packer.pack_str_body(value.data(), static_cast<std::uint32_t>(value.size()));
}
template <std::integral T>
  requires(!std::same_as<T, bool>)
void write(Packer& packer, T value) {
  packer.pack(value);
}
template <std::floating_point T>
void write(Packer& packer, T value) {
  packer.pack(value);
}
void write(Packer& packer, const Raw& value);
template <class A, class B>
void write(Packer& packer, const std::pair<A, B>& value) {
  packer.pack_array(2);
  write(packer, value.first);
  write(packer, value.second);
}
template <class T>
void write(Packer& packer, const std::optional<T>& value) {
  if (value) {
    write(packer, *value);
  } else {
    packer.pack_nil();
  }
}
template <class T>
void write(Packer& packer, const std::vector<T>& values) {
  packer.pack_array(static_cast<std::uint32_t>(values.size()));
  for (const auto& value : values) write(packer, value);
}
template <class T>
void write(Packer& packer, const std::map<std::string, T>& values) {
  packer.pack_map(static_cast<std::uint32_t>(values.size()));
  for (const auto& [key, value] : values) {
    write(packer, key);
    write(packer, value);
  }
}
template <Fielded T>
void write(Packer& packer, const T& value) {
  std::uint32_t count = 0;
  T::fields(value, [&](std::string_view, const auto&) { ++count; });
  packer.pack_map(count);
  T::fields(value, [&](std::string_view key, const auto& field) {
    write(packer, key);
    write(packer, field);
  });
}

// One value as bytes.
template <class T>
std::string encode(const T& value) {
  std::string out;
  StringSink sink{out};
  Packer packer(sink);
  write(packer, value);
  return out;
}

// ---- reading

std::int64_t read_int(const msgpack::object& object, std::string_view key, std::int64_t least,
                      std::uint64_t most, bool& above_int64);

template <std::integral T>
  requires(!std::same_as<T, bool>)
void read(const msgpack::object& object, std::string_view key, T& out);
template <class A, class B>
void read(const msgpack::object& object, std::string_view key, std::pair<A, B>& out);
template <class T>
void read(const msgpack::object& object, std::string_view key, std::optional<T>& out);
template <class T>
void read(const msgpack::object& object, std::string_view key, std::vector<T>& out);
template <class T>
void read(const msgpack::object& object, std::string_view key, std::map<std::string, T>& out);
template <Fielded T>
void read(const msgpack::object& object, std::string_view key, T& out);

void read(const msgpack::object& object, std::string_view key, bool& out);
void read(const msgpack::object& object, std::string_view key, double& out);
void read(const msgpack::object& object, std::string_view key, float& out);
// Must be valid UTF-8.
void read(const msgpack::object& object, std::string_view key, std::string& out);
void read(const msgpack::object& object, std::string_view key, Raw& out);

template <std::integral T>
  requires(!std::same_as<T, bool>)
void read(const msgpack::object& object, std::string_view key, T& out) {
  bool above_int64 = false;
  const std::int64_t value = read_int(
      object, key, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
      static_cast<std::uint64_t>(std::numeric_limits<T>::max()), above_int64);
  out = static_cast<T>(value);  // a uint64 above int64's range comes as its bits
}
template <class A, class B>
void read(const msgpack::object& object, std::string_view key, std::pair<A, B>& out) {
  if (object.type != msgpack::type::ARRAY || object.via.array.size != 2)
    throw_wrong_type(key, "a pair");
  read(object.via.array.ptr[0], key, out.first);
  read(object.via.array.ptr[1], key, out.second);
}
template <class T>
void read(const msgpack::object& object, std::string_view key, std::optional<T>& out) {
  T value{};
  read(object, key, value);
  out = std::move(value);
}
template <class T>
void read(const msgpack::object& object, std::string_view key, std::vector<T>& out) {
  if (object.type != msgpack::type::ARRAY) throw_wrong_type(key, "an array");
  out.clear();
  out.reserve(object.via.array.size);
  for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
    T value{};
    read(object.via.array.ptr[i], key, value);
    out.push_back(std::move(value));
  }
}

template <class T>
void read(const msgpack::object& object, std::string_view key, std::map<std::string, T>& out) {
  if (object.type != msgpack::type::MAP) throw_wrong_type(key, "a map");
  out.clear();
  for (std::uint32_t i = 0; i < object.via.map.size; ++i) {
    std::string name;
    read(object.via.map.ptr[i].key, key, name);
    read(object.via.map.ptr[i].val, key, out[name]);
  }
}

// The value of `key` in a map, or nullptr where it is absent or nil.
const msgpack::object* find(const msgpack::object& map, std::string_view key);

template <Fielded T>
void read(const msgpack::object& object, std::string_view key, T& out) {
  if (object.type != msgpack::type::MAP) throw_wrong_type(key, "a map");
  T::fields(out, [&](std::string_view name, auto& field) {
    if (const msgpack::object* value = find(object, name)) read(*value, name, field);
  });
}

// A map as a struct.
template <Fielded T>
T decode(const msgpack::object& map) {
  T out{};
  read(map, "params", out);
  return out;
}

// One value from bytes, e.g. an Error's detail.
template <class T>
T decode_bytes(std::string_view bytes) {
  const msgpack::object_handle handle = msgpack::unpack(bytes.data(), bytes.size());
  return decode<T>(handle.get());
}

// ---- messages

// Each appends one whole message to `out`.
template <class Params>
void append_request(std::string& out, std::uint32_t id, std::string_view method,
                    const Params& params) {
  StringSink sink{out};
  Packer packer(sink);
  packer.pack_array(4);
  packer.pack(0);
  packer.pack(id);
  write(packer, method);
  packer.pack_array(1);
  write(packer, params);
}
template <class Params>
void append_notification(std::string& out, std::string_view method, const Params& params) {
  StringSink sink{out};
  Packer packer(sink);
  packer.pack_array(3);
  packer.pack(2);
  write(packer, method);
  packer.pack_array(1);
  write(packer, params);
}
template <class Result>
void append_response(std::string& out, std::uint32_t id, const Result& result) {
  StringSink sink{out};
  Packer packer(sink);
  packer.pack_array(4);
  packer.pack(1);
  packer.pack(id);
  packer.pack_nil();
  write(packer, result);
}
void append_error_response(std::string& out, std::uint32_t id, const Error& error);

// The error map of a response.
Error decode_error(const msgpack::object& map);
// Error <-> struct for places where an error is a field (a failed model in `status`).
Raw encode_error(const Error& error);

bool is_valid_utf8(std::string_view text);

}  // namespace gpumodel::wire
