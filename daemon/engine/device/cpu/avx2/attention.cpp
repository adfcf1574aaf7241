#include "engine/device/cpu/avx2/attention.hpp"

#include <algorithm>
#include <limits>

#include "engine/device/cpu/attention_rows.hpp"
#include "engine/device/cpu/avx2/elementwise.hpp"
#include "engine/device/cpu/avx2/tile.hpp"

namespace gpumodel::engine::device::cpu::avx2 {
namespace {

using kv::kPageTokens;

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

std::int64_t padded(std::int64_t head_dim) {
  return (head_dim + kTileColumns - 1) / kTileColumns * kTileColumns;
}

// One task's working set, in the scratch: small enough for the second-level cache.
struct Block {
  std::int64_t head_dim;
  std::int64_t width;  // head_dim up to a multiple of 16
  float* queries;      // (count, head_dim), scaled
  float* sums;         // (count, width): sums of exp(score - maximum) * value
  float* scores;       // (count, kPageTokens)
  float* keys;         // two panels (head_dim, 16): the page's keys, transposed
  float* values;       // (kPageTokens, width)
  float* maximum;      // (count)
  float* total;        // (count): sums of exp(score - maximum)

  Block(std::int64_t dim, float* scratch) : head_dim(dim), width(padded(dim)) {
    queries = scratch;
    sums = queries + kMaxQueries * width;
    scores = sums + kMaxQueries * width;
    keys = scores + kMaxQueries * kPageTokens;
    values = keys + kPageTokens * width;
    maximum = values + kPageTokens * width;
    total = maximum + kMaxQueries;
  }
};

void start(const AttentionArgs& args, Block& block) {
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float* from = args.qkv + query_offset(args, args.first + i, args.shape->qkv_columns());
    float* to = block.queries + i * block.head_dim;
    for (std::int64_t d = 0; d < block.head_dim; ++d) to[d] = from[d] * args.shape->scale;
    block.maximum[i] = kMinusInfinity;
    block.total[i] = 0.0f;
  }
  std::fill_n(block.sums, args.count * block.width, 0.0f);
}

void unpack_page(const AttentionArgs& args, kv::PageId page, std::int64_t tokens, Block& block) {
  const std::byte* keys = args.store->keys(page, args.layer, args.kv_head);
  const std::byte* values = args.store->values(page, args.layer, args.kv_head);
  const std::int64_t dim = block.head_dim;
  with_element(args.store->layout().dtype, [&]<class Element>(const Element*) {
    const auto* key = reinterpret_cast<const Element*>(keys);
    for (std::int64_t token = 0; token < tokens; token += kTileColumns)
      unpack_panel(PlainRows(key + token * dim, dim), 0, std::min(kTileColumns, tokens - token),
                   dim, block.keys + token * dim);
    const auto* value = reinterpret_cast<const Element*>(values);
    for (std::int64_t token = 0; token < tokens; ++token) {
      float* to = block.values + token * block.width;
      std::int64_t d = 0;
      for (; d + 8 <= dim; d += 8) _mm256_storeu_ps(to + d, load8(value + token * dim + d));
      for (; d < dim; ++d) to[d] = load1(value + token * dim + d);
      for (; d < block.width; ++d) to[d] = 0.0f;
    }
  });
}

// Of the eight tokens of a page from `token` on.
__m256 mask_of(const Visible& visible, std::int64_t token) {
  const __m256i before = lanes(std::clamp<std::int64_t>(visible.end - token, 0, 8));
  const __m256i skipped = lanes(std::clamp<std::int64_t>(visible.first - token, 0, 8));
  return _mm256_castsi256_ps(_mm256_andnot_si256(skipped, before));
}

// Turns the query's scores into weights relative to its running maximum, and rescales what it has
// summed so far (online softmax: Milakov, Gimelshein 2018, arXiv:1805.02867). Only visible tokens
// get weight.
void weigh(Block& block, std::int64_t query, const Visible& visible) {
  float* scores = block.scores + query * kPageTokens;
  if (visible.is_empty()) {
    std::fill_n(scores, kPageTokens, 0.0f);
    return;
  }
  __m256 score[kPageTokens / 8], mask[kPageTokens / 8];
  __m256 best = _mm256_set1_ps(block.maximum[query]);
  for (std::int64_t i = 0; i < kPageTokens / 8; ++i) {
    mask[i] = mask_of(visible, 8 * i);
    score[i] =
        _mm256_blendv_ps(_mm256_set1_ps(kMinusInfinity), _mm256_loadu_ps(scores + 8 * i), mask[i]);
    best = _mm256_max_ps(best, score[i]);
  }
  const float maximum = max8(best);
  const __m256 top = _mm256_set1_ps(maximum);
  __m256 total = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < kPageTokens / 8; ++i) {
    const __m256 weight = _mm256_and_ps(mask[i], exp8(_mm256_sub_ps(score[i], top)));
    _mm256_storeu_ps(scores + 8 * i, weight);
    total = _mm256_add_ps(total, weight);
  }
  if (maximum > block.maximum[query]) {
    const __m256 factor = exp8(_mm256_set1_ps(block.maximum[query] - maximum));
    float* sums = block.sums + query * block.width;
    for (std::int64_t d = 0; d < block.width; d += 8)
      _mm256_storeu_ps(sums + d, _mm256_mul_ps(factor, _mm256_loadu_ps(sums + d)));
    block.total[query] *= _mm256_cvtss_f32(factor);
    block.maximum[query] = maximum;
  }
  block.total[query] += sum8(total);
}

// `first_token` is the position of the page's first token, `tokens` how many of it any query of the
// task sees: what lies behind them was never written.
void attend_page(const AttentionArgs& args, std::int64_t first_token, std::int64_t tokens,
                 Block& block) {
  std::fill_n(block.scores, args.count * kPageTokens, 0.0f);
  for (std::int64_t i = 0; i < args.count; i += kTileRows) {
    const std::int64_t rows = std::min(kTileRows, args.count - i);
    for (std::int64_t token = 0; token < tokens; token += kTileColumns)
      tile(rows, block.queries + i * block.head_dim, block.head_dim,
           block.keys + token * block.head_dim, kTileColumns, block.head_dim,
           block.scores + i * kPageTokens + token, kPageTokens);
  }
  if (args.shape->softcap > 0.0f)
    softcap(block.scores, args.count * kPageTokens, args.shape->softcap);
  for (std::int64_t i = 0; i < args.count; ++i) weigh(block, i, Visible(args, i, first_token));
  for (std::int64_t i = 0; i < args.count; i += kTileRows) {
    const std::int64_t rows = std::min(kTileRows, args.count - i);
    for (std::int64_t d = 0; d < block.width; d += kTileColumns)
      tile(rows, block.scores + i * kPageTokens, kPageTokens, block.values + d, block.width, tokens,
           block.sums + i * block.width + d, block.width);
  }
}

}  // namespace

std::int64_t attention_scratch_floats(std::int64_t head_dim) {
  return 2 * (kMaxQueries + kPageTokens) * padded(head_dim) + kMaxQueries * (kPageTokens + 2);
}

void attention(const AttentionArgs& args, float* scratch) {
  Block block(args.shape->head_dim, scratch);
  start(args, block);
  for_pages(args, [&](kv::PageId page, kv::PageId, std::int64_t first_token, std::int64_t tokens) {
    unpack_page(args, page, tokens, block);
    attend_page(args, first_token, tokens, block);
  });
  finish(args, block.sums, block.width, block.maximum, block.total);
}

}  // namespace gpumodel::engine::device::cpu::avx2
