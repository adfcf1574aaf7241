// The JSON of a safetensors header, read in one pass: it may have 100 MB, of which no tree is
// built.
#pragma once

#include <string>
#include <string_view>

#include "engine/io/safetensors.hpp"

namespace gpumodel::engine::io {

// Names with dtype, shape and data_offsets: `offset` from the start of the data, `bytes` their
// difference. Checks the form alone (fields, types, no tensor twice), not whether they fit; throws
// BadModel about `file`. Unknown fields of a tensor are skipped, as upstream does; __metadata__
// must map strings to strings.
TensorMap parse_header_json(std::string_view header, const std::string& file);

}  // namespace gpumodel::engine::io
