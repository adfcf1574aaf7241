// The names of dtypes in `load` and `inspect`.
#pragma once

#include <string>

#include "wire/dtype.hpp"
#include "wire/error.hpp"

namespace gpumodel::engine::server {

// Throws wire::Error{invalid} for a name that the engine does not serve.
inline void check_dtype(const std::string& dtype) {
  if (!wire::is_dtype(dtype))
    throw wire::Error(wire::Code::invalid, std::string("dtype: expected ") + wire::kDtypesText);
}

}  // namespace gpumodel::engine::server
