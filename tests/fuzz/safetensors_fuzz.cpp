// Any bytes as a safetensors header: parsed or BadModel, and what is accepted lies inside the file.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/io/safetensors.hpp"

namespace io = gpumodel::engine::io;

// The first two bytes are the length of the data behind the header.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::uint64_t data_bytes = data[0] | std::uint64_t{data[1]} << 8;
  const std::string_view header(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::uint64_t file_bytes = 8 + header.size() + data_bytes;
  try {
    std::uint64_t covered = 0;
    for (const auto& [name, tensor] : io::parse_safetensors_header(header, file_bytes, "fuzz")) {
      if (tensor.offset < 8 + header.size() || tensor.offset > file_bytes) std::abort();
      if (tensor.bytes > file_bytes - tensor.offset) std::abort();
      covered += tensor.bytes;
    }
    if (covered != data_bytes) std::abort();
  } catch (const gpumodel::engine::BadModel&) {
    return 0;
  }
  return 0;
}
