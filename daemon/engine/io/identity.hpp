// Which weights these are: equal strings mean the same bytes in the same form.
#pragma once

#include <string>
#include <string_view>

#include "engine/io/folder.hpp"
#include "engine/io/safetensors.hpp"

namespace gpumodel::engine::io {

// SHA-256, in hex, over real path, size, inode and mtime of config.json and of every safetensors
// file, and what the weights are kept as ("bf16", "int4"). Any replaced, touched or moved file
// changes it; no path can be read from it.
std::string weights_identity(const OpenFile& config, const TensorIndex& tensors,
                             std::string_view weight_types);

// The same over an adapter's two files.
std::string adapter_identity(const OpenFile& config, const OpenFile& tensors);

}  // namespace gpumodel::engine::io
