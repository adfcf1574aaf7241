// The hot operations of a decoder, behind one small interface for every kind of device.
//
// Pointers named in `Backend` are device memory, opaque to the caller (on the CPU they are ordinary
// memory); spans and structs are host memory, read during the call. Activations are float,
// row-major, without padding between rows. Operations run in the order of the calls; results are
// read through copy_to_host, which waits for them. Shapes are the caller's to get right. One thread
// at a time may call a backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/device/matrix.hpp"
#include "engine/kv/kv_store.hpp"

namespace gpumodel::engine::device {

struct AttentionShape {
  std::int32_t heads =
      0;  // a multiple of kv_heads: query head h reads key head h / (heads / kv_heads)
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;    // even
  std::int32_t rotary_dim = 0;  // even; so many of a head's first dimensions are rotated
  float scale = 0.0f;           // of query-key products: 1/sqrt(head_dim) in most models
  float softcap = 0.0f;         // c: scaled products become c * tanh(product / c); 0: they stay
  std::int32_t window = 0;      // tokens that a query sees, its own the last of them; 0: all

  std::int64_t query_columns() const { return std::int64_t{heads} * head_dim; }
  // A row of q, k and v side by side.
  std::int64_t qkv_columns() const {
    return (std::int64_t{heads} + 2 * std::int64_t{kv_heads}) * head_dim;
  }
};

// What a step of a model has at most.
struct StepShape {
  std::int64_t rows = 0;
  std::int64_t columns = 0;  // of an x that a product takes
};

// One sequence's rows in a step. Row i of it is the token at `position + i`; the tokens before
// `position` have their keys and values in the pages already.
struct SequenceRows {
  std::int64_t first_row = 0;
  std::int32_t rows = 0;
  std::int32_t position = 0;
  std::span<const kv::PageId> pages;  // at least pages_for(position + rows)
};

enum class Output { replace, add };

// Root mean square normalisation of a row (Zhang, Sennrich 2019, arXiv:1910.07467):
// x / sqrt(mean(x^2) + eps) * (offset + weight).
struct Norm {
  const float* weight = nullptr;  // device memory, as many as the row has columns
  float eps = 0.0f;
  float offset = 0.0f;
};

// A low-rank term (Hu et al. 2021, arXiv:2106.09685) of a product whose rows are several modules'
// side by side: `a` shrinks x to the ranks of all of them, and each part's `b` expands its own
// ranks.
struct LoraPart {
  MatrixView b;                   // (the module's columns, its rank)
  std::int64_t first_rank = 0;    // its first row of `a`
  std::int64_t first_column = 0;  // its first column of the product
  float scale = 0.0f;
};
struct LoraTerm {
  MatrixView a;  // (ranks of all parts, columns of x)
  std::span<const LoraPart> parts;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // For reports: "avx2", "aten".
  virtual const char* name() const = 0;

  // Makes room for what the operations keep for themselves, for all shapes and steps prepared so
  // far. For each layer of a model, before its first step; the only call that allocates.
  virtual void prepare(const AttentionShape& shape, const StepShape& step) = 0;

  // out (tokens, columns) = scale * the table's rows at `tokens`, each below table.rows.
  virtual void embed(const MatrixView& table, std::span<const std::int32_t> tokens, float scale,
                     float* out) = 0;

  // out (rows, columns) = or += the norm of x, by row. out may be x where it is replaced.
  virtual void rms_norm(const float* x, const Norm& norm, std::int64_t rows, std::int64_t columns,
                        Output output, float* out) = 0;

  // Normalises in place every query head (by q) and every key head (by k) of qkv
  // (rows, qkv_columns); the norms' weights are (head_dim).
  virtual void norm_heads(const AttentionShape& shape, const Norm& q, const Norm& k,
                          std::int64_t rows, float* qkv) = 0;

  // out (rows, w.rows) = or += x (rows, w.columns) w^T + bias (w.rows, or nullptr). out is not x.
  // At least 16 bits of each x count.
  virtual void linear(const float* x, std::int64_t rows, const MatrixView& w, const float* bias,
                      Output output, float* out) = 0;

  // out (rows, columns) += by part, in its columns: scale * (x (rows, a.columns) a^T) b^T.
  // `shrunk` (rows, a.rows) is overwritten. x is not out.
  virtual void add_lora(const float* x, std::int64_t rows, const LoraTerm& term, float* shrunk,
                        std::int64_t columns, float* out) = 0;

  // table (rows, 2 * n) for n frequencies: by row the cosines of position * frequency in float, as
  // transformers computes them, then as many sines, all times `magnitude`.
  virtual void rope_table(std::span<const float> frequencies, float magnitude,
                          std::span<const SequenceRows> sequences, float* table) = 0;

  // Rotates q and k of qkv (rows, qkv_columns) in place by table (rows, rotary_dim), pairing
  // dimension i with i + rotary_dim/2 (Su et al. 2021, arXiv:2104.09864), and writes k and v of
  // every row into its page of `layer`, rounded to the store's dtype. Without rotary_dim there is
  // no table.
  virtual void rope_and_store(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                              const float* table, float* qkv, const kv::KvStore& store,
                              std::int32_t layer) = 0;

  // out (rows, heads * head_dim): softmax(softcap(scale * q k^T)) v, causal and within the window,
  // k and v from the pages of `layer`, where rope_and_store has put this step's as well.
  virtual void attention(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                         const float* qkv, const kv::KvStore& store, std::int32_t layer,
                         float* out) = 0;

  // out (rows, columns) = activation(gate) * up, where gate_up is (rows, 2 * columns): gate, then
  // up.
  virtual void gate(io::Activation activation, const float* gate_up, std::int64_t rows,
                    std::int64_t columns, float* out) = 0;

  // x = cap * tanh(x / cap), in place.
  virtual void softcap(float* x, std::int64_t count, float cap) = 0;

  // out (indices, columns) = rows `indices` of x, ascending. out may be x.
  virtual void gather_rows(const float* x, std::span<const std::int64_t> indices,
                           std::int64_t columns, float* out) = 0;

  virtual void copy_to_host(void* to, const void* from, std::size_t bytes) = 0;
};

// The plain ATen implementation: the oracle of the others, and the fallback on a machine that has
// none of them. In the library gpumodel_engine_device_aten. `threads` is at least 1, and is set for
// the whole process.
std::unique_ptr<Backend> make_aten_backend(int threads);

// The kernels of ours that this processor runs, the fastest first: "avx512" (F, BW, DQ, VL, VNNI
// and BF16), "avx2" (with FMA and F16C).
std::vector<std::string> cpu_kernels();

// Ours, with the kernels of that name or the fastest; nullptr where this processor does not run
// them. `threads` is at least 1, the caller's own included.
std::unique_ptr<Backend> make_cpu_backend(int threads, std::string_view kernels = {});

}  // namespace gpumodel::engine::device
