// The names of dtypes in `load` and `inspect`.
#pragma once

#include <string>

#include "wire/error.hpp"

namespace gpumodel::engine::server {

// Throws wire::Error{invalid} for a name that the engine does not serve.
inline void check_dtype(const std::string& dtype) {
  for (const char* served : {"auto", "bf16", "fp16", "fp32"})
    if (dtype == served) return;
  throw wire::Error(wire::Code::invalid, "dtype: expected auto, bf16, fp16 or fp32");
}

}  // namespace gpumodel::engine::server
