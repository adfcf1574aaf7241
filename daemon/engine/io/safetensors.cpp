#include "engine/io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "engine/io/printable.hpp"
#include "engine/io/safetensors_header.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr int kBitsPerByte = 8;

struct DTypeBits {
  std::string_view name;
  unsigned bits;
};

// Upstream's Dtype. What the engine computes with is decided later, by name.
constexpr std::array<DTypeBits, 22> kDTypes{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

std::optional<std::uint64_t> bits_of(std::string_view dtype) {
  for (const DTypeBits& row : kDTypes) {
    if (row.name == dtype) return row.bits;
  }
  return std::nullopt;
}

[[noreturn]] void fail(const std::string& file, std::string_view tensor, const std::string& what) {
  throw BadModel(file, "tensor " + printable(tensor) + " " + what);
}

// Bytes of a tensor by its dtype and shape.
std::uint64_t bytes_by_shape(const std::string& file, const std::string& name,
                             const TensorEntry& tensor) {
  const std::optional<std::uint64_t> element_bits = bits_of(tensor.dtype);
  if (!element_bits) fail(file, name, "has the unknown dtype " + printable(tensor.dtype));
  std::uint64_t bits = *element_bits;
  for (const std::int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits)) {
      fail(file, name, "has a shape too large to count: " + TensorIndex::shape_text(tensor.shape));
    }
  }
  if (bits % kBitsPerByte != 0) fail(file, name, "does not end at a whole byte");
  return bits / kBitsPerByte;
}

// Tensors in the order of their bytes must follow each other from 0 to data_bytes exactly.
void check_coverage(const TensorMap& tensors, std::uint64_t data_bytes, const std::string& file) {
  std::vector<const TensorMap::value_type*> order;
  order.reserve(tensors.size());
  for (const auto& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    // Empty tensors come before the one that begins where they lie.
    return std::pair(a->second.offset, a->second.bytes) <
           std::pair(b->second.offset, b->second.bytes);
  });
  std::uint64_t end = 0;
  for (const auto* entry : order) {
    const auto& [name, tensor] = *entry;
    if (tensor.offset < end) fail(file, name, "overlaps the one before it");
    if (tensor.offset > end) fail(file, name, "leaves a gap after the one before it");
    end += tensor.bytes;
  }
  if (end > data_bytes) {
    throw BadModel(file, "is too short: its tensors have " + std::to_string(end) +
                             " bytes, the file holds " + std::to_string(data_bytes) +
                             " of them; it was cut or is being written");
  }
  if (end < data_bytes) {
    throw BadModel(file, "has " + std::to_string(data_bytes - end) +
                             " bytes after its tensors that belong to none");
  }
}

}  // namespace

std::string TensorIndex::shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(size);
  }
  return text + "]";
}

TensorMap parse_safetensors_header(std::string_view header, std::uint64_t file_bytes,
                                   const std::string& file) {
  const std::uint64_t data_start = kLengthBytes + header.size();
  if (file_bytes < data_start) throw BadModel(file, "ends inside its header");
  TensorMap tensors = parse_header_json(header, file);
  for (auto& [name, tensor] : tensors) {
    const std::uint64_t expected = bytes_by_shape(file, name, tensor);
    if (tensor.bytes != expected) {
      fail(file, name,
           "has " + std::to_string(tensor.bytes) + " bytes, but " + tensor.dtype + " " +
               TensorIndex::shape_text(tensor.shape) + " needs " + std::to_string(expected));
    }
  }
  check_coverage(tensors, file_bytes - data_start, file);
  for (auto& [name, tensor] : tensors) tensor.offset += data_start;
  return tensors;
}

TensorMap read_safetensors_header(const OpenFile& file) {
  if (file.bytes < kLengthBytes) throw BadModel(file.name, "is too short for a safetensors header");
  std::array<unsigned char, kLengthBytes> raw{};
  read_exactly(file, 0, raw.data(), raw.size());
  std::uint64_t length = 0;
  for (std::size_t i = raw.size(); i-- > 0;) length = length << 8 | raw[i];
  if (length > kMaxHeaderBytes) {
    throw BadModel(file.name, "claims a header of " + std::to_string(length) + " bytes; at most " +
                                  std::to_string(kMaxHeaderBytes) +
                                  " are allowed, so it is no safetensors file");
  }
  if (length > file.bytes - kLengthBytes) {
    throw BadModel(file.name,
                   "claims a header of " + std::to_string(length) + " bytes, longer than the file");
  }
  std::string header(static_cast<std::size_t>(length), '\0');
  read_exactly(file, kLengthBytes, header.data(), header.size());
  return parse_safetensors_header(header, file.bytes, file.name);
}

}  // namespace gpumodel::engine::io
