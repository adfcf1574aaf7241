// Weights as int8 and int4, made while they are loaded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/device/matrix.hpp"

namespace gpumodel::engine::model {

// Writes finite values (rows, columns) in a quantised format (device/matrix.hpp), data and scales,
// which may lie anywhere. The same values give the same bytes on every machine.
//   int8  to the nearest multiple of the row's largest magnitude / 127, ties to even.
//   int4  with a scale that makes the squared error of its group small: from each of several first
//         scales, nearest values and least-squares scale are found in turn (Lloyd 1982, "Least
//         squares quantization in PCM"), and the best is kept.
// False where a scale of int4 is beyond binary16 (magnitudes of about 500,000): the output is
// incomplete then.
bool quantize_rows(const float* from, std::int64_t rows, std::int64_t columns,
                   device::MatrixFormat to, std::byte* data, std::byte* scales);

}  // namespace gpumodel::engine::model
