// The inner loops of the CPU backend, one table per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/device/backend.hpp"
#include "engine/device/matrix.hpp"

namespace gpumodel::engine::device::cpu {

// What a product reads of x.
enum class Input {
  floats,     // x as it is
  bf16_pair,  // rounded to nearest even, and what that took away likewise: 16 bits together
  blocks,     // blocks.hpp
};

// out (rows, w.rows) = or += x (rows, w.columns) w^T + bias.
struct LinearArgs {
  const float* x;
  std::int64_t x_stride;  // floats from one row to the next
  std::int64_t rows;
  MatrixView w;
  const float* bias;  // or nullptr
  Output output;
  float* out;
  std::int64_t out_stride;
  Input input = Input::floats;
  const std::byte* packed = nullptr;  // x in another form than floats, by rows of packed_stride
  std::int64_t packed_stride = 0;     // bytes, a multiple of 64
};

// Queries `first` .. `first + count - 1` of one sequence and one key head: query i is of the
// sequence's row i / group and of the key head's query head i % group. They see tokens first_token
// .. last_token - 1 here, a multiple of a page apart, and others elsewhere where `partial` is set.
struct AttentionArgs {
  const SequenceRows* sequence;
  const AttentionShape* shape;
  const kv::KvStore* store;
  std::int32_t layer;
  std::int32_t kv_head;
  std::int64_t first;
  std::int64_t count;  // at most kMaxQueries
  const float* qkv;    // of all rows of the step
  float* out;
  std::int64_t first_token;
  std::int64_t last_token;
  // nullptr, or by query: head_dim sums of exp(score - maximum) * value, the maximum and the sum of
  // exp(score - maximum); a query that sees none of the tokens has a sum of 0.
  float* partial;
};

inline constexpr std::int64_t kMaxQueries = 96;
inline constexpr std::int64_t kTaskRows = 4;

struct Kernels {
  const char* name;

  // In which form a product of so many rows with weights of this format wants x. pack_input makes a
  // row of it, of input_bytes(input, columns) bytes, aligned to 64.
  Input (*input_of)(MatrixFormat format, std::int64_t rows);
  void (*pack_input)(Input input, const float* x, std::int64_t columns, std::byte* to);

  // Columns first .. last - 1 of out. few_rows reads every weight once for a group of rows and is
  // best for a handful of them; many_rows unpacks blocks of weights into the scratch and works
  // there. A task has a multiple of kTaskRows rows of weights, but for the last.
  void (*linear_few_rows)(const LinearArgs& args, std::int64_t first, std::int64_t last);
  void (*linear_many_rows)(const LinearArgs& args, std::int64_t first, std::int64_t last,
                           float* scratch);

  void (*attention)(const AttentionArgs& args, float* scratch);

  // The rest works on one row, one head or one run of elements.
  void (*rms_norm)(const float* x, const Norm& norm, std::int64_t columns, Output output,
                   float* out);
  void (*gate)(io::Activation activation, const float* gate_up, std::int64_t columns, float* out);
  void (*softcap)(float* x, std::int64_t count, float cap);                  // in place
  void (*multiply)(float* x, std::int64_t count, float factor);              // in place
  void (*rotate)(const float* table, std::int64_t rotary_dim, float* head);  // in place
  void (*unpack_row)(const MatrixView& matrix, std::int64_t row, float* to);
  void (*pack)(const float* from, std::int64_t count, io::DType dtype,
               void* to);  // round to nearest even

  // Whether many_rows is faster.
  bool (*is_many)(MatrixFormat format, std::int64_t rows);
  std::int64_t (*linear_scratch_floats)(std::int64_t columns);
  std::int64_t (*attention_scratch_floats)(std::int64_t head_dim);
};

// nullptr where this processor lacks AVX2, FMA or F16C.
const Kernels* avx2_kernels();
// nullptr where it lacks those or one of AVX-512 F, BW, DQ, VL, VNNI and BF16.
const Kernels* avx512_kernels();

}  // namespace gpumodel::engine::device::cpu
