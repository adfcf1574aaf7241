#include "engine/io/identity.hpp"

#include "engine/io/sha256.hpp"

namespace gpumodel::engine::io {
namespace {

// Every field ends in a zero byte, which no path contains: no two lists of fields read alike.
void add(Sha256& hash, std::string_view field) {
  hash.update(field);
  hash.update(std::string_view("\0", 1));
}

void add(Sha256& hash, const OpenFile& file) {
  add(hash, file.real_path);
  add(hash, std::to_string(file.bytes));
  add(hash, std::to_string(file.inode));
  add(hash, std::to_string(file.mtime_ns));
}

}  // namespace

std::string weights_identity(const OpenFile& config, const TensorIndex& tensors,
                             std::string_view weight_types) {
  Sha256 hash;
  add(hash, config);
  for (const OpenFile& file : tensors.files) add(hash, file);
  add(hash, weight_types);
  return hash.hex_digest();
}

std::string adapter_identity(const OpenFile& config, const OpenFile& tensors) {
  Sha256 hash;
  add(hash, config);
  add(hash, tensors);
  return hash.hex_digest();
}

}  // namespace gpumodel::engine::io
