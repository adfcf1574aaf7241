// Between the floating-point formats of checkpoints: IEEE binary32 and binary16, and bfloat16.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/io/model_config.hpp"

namespace gpumodel::engine::model {

// Rounds to nearest, ties to even, as torch's `.to(dtype)` does; what is too large becomes
// infinite, a NaN stays one. Between the two 16-bit formats by way of binary32, which holds both
// exactly.
float f16_to_float(std::uint16_t bits);
float bf16_to_float(std::uint16_t bits);
std::uint16_t float_to_f16(float value);
std::uint16_t float_to_bf16(float value);

// `elements` values; the ranges do not overlap and may lie anywhere, aligned to nothing.
void convert(const std::byte* from, io::DType from_dtype, std::byte* to, io::DType to_dtype,
             std::size_t elements);

// Whether none of the values is a NaN or infinite.
bool all_finite(const std::byte* from, io::DType dtype, std::size_t elements);

}  // namespace gpumodel::engine::model
