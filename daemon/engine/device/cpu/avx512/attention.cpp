// Both products of attention by the instruction for bf16. Queries and the weights of the tokens are
// each two bf16, what is nearest and what rounding took away, so that they keep 16 bits. Words are
// pairs of bf16: of two neighbouring dimensions for query times key, of two neighbouring tokens for
// weight times value.
#include "engine/device/cpu/avx512/attention.hpp"

#include <limits>

#include "engine/device/cpu/attention_rows.hpp"
#include "engine/device/cpu/avx2/attention.hpp"
#include "engine/device/cpu/avx512/simd.hpp"

namespace gpumodel::engine::device::cpu::avx512 {
namespace {

using kv::kPageTokens;
using Word = std::uint32_t;

static_assert(kPageTokens == 32, "a page is two vectors of scores, and sixteen pairs of tokens");

constexpr std::int64_t kTileQueries = 6;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

std::int64_t rounded_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// One task's working set, in the scratch: small enough for the second-level cache. Dimensions past
// head_dim are zero.
struct Block {
  std::int64_t head_dim;
  std::int64_t words;  // of a row of queries or keys: pairs of dimensions, a multiple of 16
  std::int64_t width;  // of a row of values: dimensions, a multiple of 16
  Word* queries;       // (2, kMaxQueries, words): rounded, and the rest
  Word* keys;          // (2, words, 16): the page's keys, transposed
  Word* values;        // (16, width): pairs of tokens
  Word* weights;       // (2, kMaxQueries, 16): pairs of tokens; rounded, and the rest
  float* scores;       // (count, kPageTokens)
  float* sums;         // (count, width): sums of exp(score - maximum) * value
  float* maximum;      // (count)
  float* total;        // (count): sums of exp(score - maximum)

  Block(std::int64_t dim, float* scratch)
      : head_dim(dim), words(rounded_up(dim, 32) / 2), width(rounded_up(dim, 16)) {
    const auto take = [&scratch]<class T>(T*& pointer, std::int64_t count) {
      pointer = reinterpret_cast<T*>(scratch);
      scratch += count;
    };
    take(queries, 2 * kMaxQueries * words);
    take(keys, kPageTokens * words);
    take(values, kPageTokens / 2 * width);
    take(weights, 2 * kMaxQueries * 16);
    take(scores, kMaxQueries * kPageTokens);
    take(sums, kMaxQueries * width);
    take(maximum, kMaxQueries);
    take(total, kMaxQueries);
  }
};

// Thirty-two floats in two bf16 each.
void split(__m512 low_half, __m512 high_half, Word* rounded, Word* rest) {
  const auto words = (__m512i)_mm512_cvtne2ps_pbh(high_half, low_half);
  const auto widened = [](__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  };
  const __m512 low_rest = _mm512_sub_ps(low_half, widened(_mm512_castsi512_si256(words)));
  const __m512 high_rest = _mm512_sub_ps(high_half, widened(_mm512_extracti64x4_epi64(words, 1)));
  _mm512_storeu_si512(rounded, words);
  _mm512_storeu_si512(rest, (__m512i)_mm512_cvtne2ps_pbh(high_rest, low_rest));
}

void start(const AttentionArgs& args, Block& block) {
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float* from = args.qkv + query_offset(args, args.first + i, args.shape->qkv_columns());
    for (std::int64_t word = 0; word < block.words; word += 16) {
      const std::int64_t left = block.head_dim - 2 * word;
      const auto low = static_cast<__mmask16>(first_lanes(left, 16));
      const auto high = static_cast<__mmask16>(first_lanes(left - 16, 16));
      Word* to = block.queries + i * block.words + word;
      split(_mm512_maskz_loadu_ps(low, from + 2 * word),
            _mm512_maskz_loadu_ps(high, from + 2 * word + 16), to, to + kMaxQueries * block.words);
    }
    block.maximum[i] = kMinusInfinity;
    block.total[i] = 0.0f;
  }
  std::fill_n(block.sums, args.count * block.width, 0.0f);
}

// Both fetch what lies where they read of the page `ahead` bytes away, which comes next: the
// hardware sees no further than this one.
void unpack_keys(const std::uint16_t* keys, std::int64_t ahead, std::int64_t tokens, Block& block) {
  for (std::int64_t panel = 0; panel < 2; ++panel)
    for (std::int64_t word = 0; word < block.words; word += 16) {
      const __mmask32 columns = first_lanes(block.head_dim - 2 * word, 32);
      __m512i rows[16];
#pragma GCC unroll 16
      for (std::int64_t i = 0; i < 16; ++i) {
        const std::int64_t token = 16 * panel + i;
        const __mmask32 mask = token < tokens ? columns : 0;
        const std::uint16_t* from = keys + token * block.head_dim + 2 * word;
        _mm_prefetch(reinterpret_cast<const char*>(from) + ahead, _MM_HINT_T0);
        rows[i] = _mm512_maskz_loadu_epi16(mask, from);
      }
      transpose16(rows);
      Word* to = block.keys + (panel * block.words + word) * 16;
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + 16 * i, rows[i]);
    }
}

// Sixteen dimensions of two tokens: word d is the first token's, then the second's.
__m512i interleaved(const std::uint16_t* first, const std::uint16_t* second, __mmask16 columns,
                    bool has_second) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(columns, first));
  const auto mask = static_cast<__mmask16>(has_second ? columns : 0);
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

void unpack_values(const std::uint16_t* values, std::int64_t ahead, std::int64_t tokens,
                   Block& block) {
  for (std::int64_t pair = 0; pair < kPageTokens / 2; ++pair) {
    const std::uint16_t* first = values + 2 * pair * block.head_dim;
    for (std::int64_t d = 0; d < 2 * block.head_dim; d += 32)
      _mm_prefetch(reinterpret_cast<const char*>(first + d) + ahead, _MM_HINT_T0);
    for (std::int64_t d = 0; d < block.width; d += 16) {
      const auto columns =
          static_cast<__mmask16>(2 * pair < tokens ? first_lanes(block.head_dim - d, 16) : 0);
      _mm512_storeu_si512(
          block.values + pair * block.width + d,
          interleaved(first + d, first + block.head_dim + d, columns, 2 * pair + 1 < tokens));
    }
  }
}

// sum (Q, V vectors of 16) += pairs of a (Q, depth) times pairs of b (depth, V vectors).
template <int Q, int V>
void multiply(const Word* a, std::int64_t a_stride, const Word* b, std::int64_t b_step,
              std::int64_t v_step, std::int64_t depth, __m512 (&sum)[Q][V]) {
  for (std::int64_t k = 0; k < depth; ++k) {
    __m512i right[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) right[v] = _mm512_loadu_si512(b + k * b_step + v * v_step);
#pragma GCC unroll 6
    for (int q = 0; q < Q; ++q) {
      const __m512i left = _mm512_set1_epi32(static_cast<int>(a[q * a_stride + k]));
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[q][v] = add_products(sum[q][v], left, right[v]);
    }
  }
}

template <int Q>
void score(Block& block, std::int64_t query) {
  __m512 sum[Q][2];
  for (auto& row : sum) row[0] = row[1] = _mm512_setzero_ps();
  for (std::int64_t part = 0; part < 2; ++part)
    multiply<Q, 2>(block.queries + (part * kMaxQueries + query) * block.words, block.words,
                   block.keys, 16, 16 * block.words, (block.head_dim + 1) / 2, sum);
  for (int q = 0; q < Q; ++q)
    for (int v = 0; v < 2; ++v)
      _mm512_storeu_ps(block.scores + (query + q) * kPageTokens + 16 * v, sum[q][v]);
}

template <int Q, int V>
void add_values_at(Block& block, std::int64_t query, std::int64_t d) {
  __m512 sum[Q][V];
  float* sums = block.sums + query * block.width + d;
#pragma GCC unroll 6
  for (int q = 0; q < Q; ++q)
    for (int v = 0; v < V; ++v) sum[q][v] = _mm512_loadu_ps(sums + q * block.width + 16 * v);
  for (std::int64_t part = 0; part < 2; ++part)
    multiply<Q, V>(block.weights + (part * kMaxQueries + query) * 16, 16, block.values + d,
                   block.width, 16, kPageTokens / 2, sum);
#pragma GCC unroll 6
  for (int q = 0; q < Q; ++q)
    for (int v = 0; v < V; ++v) _mm512_storeu_ps(sums + q * block.width + 16 * v, sum[q][v]);
}

template <int Q>
void add_values(Block& block, std::int64_t query) {
  std::int64_t d = 0;
  for (; d + 32 <= block.width; d += 32) add_values_at<Q, 2>(block, query, d);
  if (d < block.width) add_values_at<Q, 1>(block, query, d);
}

// Calls body.template operator()<Q>(query) for tiles of up to kTileQueries.
template <class Body>
void for_tiles_of(std::int64_t count, const Body& body) {
  std::int64_t query = 0;
  for (; query + kTileQueries <= count; query += kTileQueries)
    body.template operator()<kTileQueries>(query);
  for (; query + 3 <= count; query += 3) body.template operator()<3>(query);
  for (; query < count; ++query) body.template operator()<1>(query);
}

// Turns the query's scores into weights relative to its running maximum, and rescales what it has
// summed so far (online softmax: Milakov, Gimelshein 2018, arXiv:1805.02867). Only visible tokens
// get weight.
void weigh(const device::AttentionShape& shape, Block& block, std::int64_t query,
           const Visible& visible) {
  Word* weights = block.weights + query * 16;
  if (visible.is_empty()) {
    _mm512_storeu_si512(weights, _mm512_setzero_si512());
    _mm512_storeu_si512(weights + kMaxQueries * 16, _mm512_setzero_si512());
    return;
  }
  const std::uint32_t seen = first_lanes(visible.end, 32) & ~first_lanes(visible.first, 32);
  __m512 score[2], weight[2];
  __m512 best = _mm512_set1_ps(block.maximum[query]);
  for (int i = 0; i < 2; ++i) {
    const auto mask = static_cast<__mmask16>(seen >> (16 * i));
    score[i] = _mm512_mul_ps(_mm512_loadu_ps(block.scores + query * kPageTokens + 16 * i),
                             _mm512_set1_ps(shape.scale));
    if (shape.softcap > 0.0f)
      score[i] =
          _mm512_mul_ps(_mm512_set1_ps(shape.softcap),
                        tanh16(_mm512_mul_ps(_mm512_set1_ps(1.0f / shape.softcap), score[i])));
    score[i] = _mm512_mask_blend_ps(mask, _mm512_set1_ps(kMinusInfinity), score[i]);
    best = _mm512_max_ps(best, score[i]);
  }
  const float maximum = _mm512_reduce_max_ps(best);
  for (int i = 0; i < 2; ++i)
    weight[i] = _mm512_maskz_mov_ps(static_cast<__mmask16>(seen >> (16 * i)),
                                    exp16(_mm512_sub_ps(score[i], _mm512_set1_ps(maximum))));
  split(weight[0], weight[1], weights, weights + kMaxQueries * 16);
  if (maximum > block.maximum[query]) {
    const __m512 factor = exp16(_mm512_set1_ps(block.maximum[query] - maximum));
    float* sums = block.sums + query * block.width;
    for (std::int64_t d = 0; d < block.width; d += 16)
      _mm512_storeu_ps(sums + d, _mm512_mul_ps(factor, _mm512_loadu_ps(sums + d)));
    block.total[query] *= _mm512_cvtss_f32(factor);
    block.maximum[query] = maximum;
  }
  block.total[query] += _mm512_reduce_add_ps(_mm512_add_ps(weight[0], weight[1]));
}

void attend_page(const AttentionArgs& args, std::int64_t first_token, Block& block) {
  for_tiles_of(args.count, [&]<int Q>(std::int64_t query) { score<Q>(block, query); });
  for (std::int64_t i = 0; i < args.count; ++i)
    weigh(*args.shape, block, i, Visible(args, i, first_token));
  for_tiles_of(args.count, [&]<int Q>(std::int64_t query) { add_values<Q>(block, query); });
}

std::int64_t own_scratch_floats(std::int64_t head_dim) {
  const std::int64_t words = rounded_up(head_dim, 32) / 2, width = rounded_up(head_dim, 16);
  return kMaxQueries * (2 * words + 2 * 16 + kPageTokens + width + 2) + kPageTokens * words +
         kPageTokens / 2 * width;
}

}  // namespace

std::int64_t attention_scratch_floats(std::int64_t head_dim) {
  return std::max(own_scratch_floats(head_dim), avx2::attention_scratch_floats(head_dim));
}

void attention(const AttentionArgs& args, float* scratch) {
  if (args.store->layout().dtype != io::DType::bf16) return avx2::attention(args, scratch);
  Block block(args.shape->head_dim, scratch);
  start(args, block);
  for_pages(args,
            [&](kv::PageId page, kv::PageId next, std::int64_t first_token, std::int64_t tokens) {
              const std::byte* keys = args.store->keys(page, args.layer, args.kv_head);
              const std::byte* values = args.store->values(page, args.layer, args.kv_head);
              const std::int64_t ahead = args.store->keys(next, args.layer, args.kv_head) - keys;
              unpack_keys(reinterpret_cast<const std::uint16_t*>(keys), ahead, tokens, block);
              unpack_values(reinterpret_cast<const std::uint16_t*>(values), ahead, tokens, block);
              attend_page(args, first_token, block);
            });
  finish(args, block.sums, block.width, block.maximum, block.total);
}

}  // namespace gpumodel::engine::device::cpu::avx512
