// A weight matrix as kernels see it.
#pragma once

#include <cstdint>

#include "engine/io/model_config.hpp"

namespace gpumodel::engine::device {

// A row-major matrix of (rows, columns) in the weights' dtype: one row per output, as in
// torch.nn.Linear. Borrowed device memory; aligned to 64 bytes.
struct MatrixView {
  const void* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  io::DType dtype = io::DType::f32;
};

}  // namespace gpumodel::engine::device
