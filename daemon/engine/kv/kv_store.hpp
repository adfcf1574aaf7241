// The bytes of key-value pages: where each key and value lies in a range of device memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/io/model_config.hpp"
#include "engine/kv/page_pool.hpp"

namespace gpumodel::engine::kv {

// [page][layer][key, value][kv_head][token][head_dim], elements in the weights' dtype. A page holds
// all layers, so that a store grows and shrinks at its end, and one head's page is one run of
// kPageTokens * head_dim elements.
struct KvLayout {
  std::int32_t layers = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  io::DType dtype = io::DType::f32;

  static KvLayout of(const io::ModelConfig& config, io::DType dtype) {
    return {config.layers, config.kv_heads, config.head_dim, dtype};
  }

  // kPageTokens is 32, so every run below is a multiple of 64 bytes for an even head_dim.
  std::int64_t head_bytes() const {
    return std::int64_t{kPageTokens} * head_dim * static_cast<std::int64_t>(io::dtype_bytes(dtype));
  }
  std::int64_t layer_bytes() const { return 2 * kv_heads * head_bytes(); }
  std::int64_t page_bytes() const { return layers * layer_bytes(); }
};

// A view: base is borrowed, aligned to 64 bytes, and holds capacity_pages * layout.page_bytes().
class KvStore {
 public:
  KvStore(const KvLayout& layout, void* base)
      : layout_(layout), base_(static_cast<std::byte*>(base)) {}

  const KvLayout& layout() const { return layout_; }

  // The first token's key or value of one head in one page: (kPageTokens, head_dim).
  std::byte* keys(PageId page, std::int32_t layer, std::int32_t head) const {
    return base_ + page * layout_.page_bytes() + layer * layout_.layer_bytes() +
           head * layout_.head_bytes();
  }
  std::byte* values(PageId page, std::int32_t layer, std::int32_t head) const {
    return keys(page, layer, layout_.kv_heads + head);
  }

 private:
  KvLayout layout_;
  std::byte* base_;
};

}  // namespace gpumodel::engine::kv
