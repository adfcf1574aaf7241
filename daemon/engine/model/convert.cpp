#include "engine/model/convert.hpp"

#include <bit>
#include <cstring>

namespace gpumodel::engine::model {
namespace {

constexpr std::uint32_t kSign = 0x80000000;
constexpr std::uint32_t kInfinity = 0x7f800000;

struct F32 {
  using Bits = float;
  static float decode(float value) { return value; }
  static float encode(float value) { return value; }
};
struct F16 {
  using Bits = std::uint16_t;
  static float decode(Bits bits) { return f16_to_float(bits); }
  static Bits encode(float value) { return float_to_f16(value); }
};
struct BF16 {
  using Bits = std::uint16_t;
  static float decode(Bits bits) { return bf16_to_float(bits); }
  static Bits encode(float value) { return float_to_bf16(value); }
};

template <class From, class To>
void convert_all(const std::byte* from, std::byte* to, std::size_t elements) {
  for (std::size_t i = 0; i < elements; ++i) {
    typename From::Bits in;
    std::memcpy(&in, from + i * sizeof in, sizeof in);
    const typename To::Bits out = To::encode(From::decode(in));
    std::memcpy(to + i * sizeof out, &out, sizeof out);
  }
}

template <class From>
void convert_from(const std::byte* from, std::byte* to, io::DType to_dtype, std::size_t elements) {
  switch (to_dtype) {
    case io::DType::f32:
      return convert_all<From, F32>(from, to, elements);
    case io::DType::f16:
      return convert_all<From, F16>(from, to, elements);
    case io::DType::bf16:
      return convert_all<From, BF16>(from, to, elements);
  }
}

// Whether one of the words has all of these bits: a loop without branches, which compilers turn
// into vector instructions.
template <class Word>
bool any_with_all_of(const std::byte* from, Word bits, std::size_t elements) {
  Word found = 0;
  for (std::size_t i = 0; i < elements; ++i) {
    Word word;
    std::memcpy(&word, from + i * sizeof word, sizeof word);
    found = static_cast<Word>(found | ((word & bits) == bits));
  }
  return found != 0;
}

}  // namespace

float bf16_to_float(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

std::uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Rounding could carry a NaN's payload into infinity.
  if ((bits & ~kSign) > kInfinity) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float f16_to_float(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00) {  // infinity and NaN
    return std::bit_cast<float>(sign | kInfinity | (magnitude & 0x3ff) << 13);
  }
  // Moved into place the exponent is too small by 127 - 15; the product corrects it, subnormals
  // too.
  const auto scaled = std::bit_cast<float>(magnitude << 13);
  constexpr float kExponentGap = 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled * kExponentGap) | sign);
}

std::uint16_t float_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t magnitude = bits & ~kSign;
  constexpr std::uint32_t kOverflow = 0x47800000;        // 2^16
  constexpr std::uint32_t kSmallestNormal = 0x38800000;  // 2^-14
  std::uint32_t rounded = 0;
  if (magnitude > kInfinity) {
    rounded = 0x7e00;
  } else if (magnitude >= kOverflow) {
    rounded = 0x7c00;
  } else if (magnitude < kSmallestNormal) {
    // Adding 1/2 leaves the value in units of 2^-24 in the low bits, rounded by the addition.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    rounded = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5f);
  } else {
    constexpr std::uint32_t kExponentGap = (127 - 15) << 23;
    rounded = (magnitude - kExponentGap + 0xfff + (magnitude >> 13 & 1)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | rounded);
}

void convert(const std::byte* from, io::DType from_dtype, std::byte* to, io::DType to_dtype,
             std::size_t elements) {
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, elements * io::dtype_bytes(from_dtype));
    return;
  }
  switch (from_dtype) {
    case io::DType::f32:
      return convert_from<F32>(from, to, to_dtype, elements);
    case io::DType::f16:
      return convert_from<F16>(from, to, to_dtype, elements);
    case io::DType::bf16:
      return convert_from<BF16>(from, to, to_dtype, elements);
  }
}

bool all_finite(const std::byte* from, io::DType dtype, std::size_t elements) {
  switch (dtype) {
    case io::DType::f32:
      return !any_with_all_of<std::uint32_t>(from, kInfinity, elements);
    case io::DType::f16:
      return !any_with_all_of<std::uint16_t>(from, 0x7c00, elements);
    case io::DType::bf16:
      return !any_with_all_of<std::uint16_t>(from, 0x7f80, elements);
  }
  return true;
}

}  // namespace gpumodel::engine::model
