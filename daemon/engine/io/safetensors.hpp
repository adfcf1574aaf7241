// Headers of safetensors files: what tensors there are, and where their bytes lie.
//
// Format: https://github.com/huggingface/safetensors (README, "Format"; checks as in
// safetensors/src/tensor.rs of 0.6): 8 bytes little-endian header length, a JSON object of
// name -> {dtype, shape, data_offsets}, then the data, which the tensors cover without gap or
// overlap. Only headers are read here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/folder.hpp"

namespace gpumodel::engine::io {

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct TensorEntry {
  std::string dtype;  // as upstream writes it: "F32", "BF16", "I64", ...
  std::vector<std::int64_t>
      shape;                 // empty for a scalar; the product with the dtype's size is `bytes`
  std::uint64_t offset = 0;  // of the first byte, from the start of the file
  std::uint64_t bytes = 0;
  std::uint32_t file = 0;  // index into TensorIndex::files
};

using TensorMap = std::map<std::string, TensorEntry, std::less<>>;

// `header` is the JSON alone; the data begins at 8 + header.size() of the `file_bytes`.
// Everything but the tensors' bytes is checked; throws BadModel about `file`.
TensorMap parse_safetensors_header(std::string_view header, std::uint64_t file_bytes,
                                   const std::string& file);

// The tensors of an open file; `TensorEntry::file` is 0.
TensorMap read_safetensors_header(const OpenFile& file);

struct TensorIndex {
  std::vector<OpenFile> files;  // sorted by name
  TensorMap tensors;

  // "[3, 4]" for messages.
  static std::string shape_text(const std::vector<std::int64_t>& shape);
};

// model.safetensors, or the shards of model.safetensors.index.json, as transformers chooses. A
// shard that is missing, a tensor in no shard or in two, or elsewhere than the index says:
// BadModel.
TensorIndex open_tensors(const Folder& folder);

}  // namespace gpumodel::engine::io
