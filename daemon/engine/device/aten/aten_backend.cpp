#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "engine/device/backend.hpp"

namespace gpumodel::engine::device {
namespace {

// Weights are widened to float this many at a time: a copy of a whole vocabulary would not be in
// any budget.
constexpr std::int64_t kWidenedElements = 4 << 20;

// Of what `data` of such a matrix points to.
at::ScalarType stored_type(MatrixFormat format) {
  switch (format) {
    case MatrixFormat::f32:
      return at::kFloat;
    case MatrixFormat::f16:
      return at::kHalf;
    case MatrixFormat::bf16:
      return at::kBFloat16;
    case MatrixFormat::int8:
      return at::kChar;
    case MatrixFormat::int4:
      return at::kByte;
  }
  return at::kFloat;
}

// ATen has no tensors of const memory; what is const here is only read.
at::Tensor view(const void* data, at::IntArrayRef shape, at::ScalarType type) {
  return at::from_blob(const_cast<void*>(data), shape, at::TensorOptions().dtype(type));
}

at::Tensor view(const void* data, at::IntArrayRef shape, io::DType dtype = io::DType::f32) {
  return view(data, shape, stored_type(format_of(dtype)));
}

// The keys of one layer in one page, all key heads: (kv_heads, kPageTokens, head_dim); its values
// follow.
at::Tensor page_view(const std::byte* first, const kv::KvLayout& layout) {
  return view(first, {layout.kv_heads, kv::kPageTokens, layout.head_dim}, layout.dtype);
}

// A matrix whose rows become floats on demand, whatever its format.
class Weights {
 public:
  explicit Weights(const MatrixView& matrix) : format_(matrix.format), columns_(matrix.columns) {
    const std::int64_t rows = matrix.rows;
    if (format_ == MatrixFormat::int4) {
      const std::int64_t groups = groups_of(columns_);
      values_ = view(matrix.data, {rows, groups, kGroupColumns / 2}, stored_type(format_));
      scales_ = view(matrix.scales, {rows, groups, 1}, at::kHalf);
    } else {
      values_ = view(matrix.data, {rows, columns_}, stored_type(format_));
      if (format_ == MatrixFormat::int8) scales_ = view(matrix.scales, {rows, 1}, at::kFloat);
    }
  }

  at::Tensor rows(std::int64_t first, std::int64_t count) const {
    const auto part = [&](const at::Tensor& of) {
      return of.defined() ? of.narrow(0, first, count) : of;
    };
    return widened(part(values_), part(scales_));
  }

  at::Tensor rows_at(const at::Tensor& ids) const {
    const auto part = [&](const at::Tensor& of) {
      return of.defined() ? of.index_select(0, ids) : of;
    };
    return widened(part(values_), part(scales_));
  }

 private:
  at::Tensor widened(const at::Tensor& values, const at::Tensor& scales) const {
    if (format_ == MatrixFormat::int8) return values.to(at::kFloat) * scales;
    if (format_ != MatrixFormat::int4) return values.to(at::kFloat);
    const at::Tensor nibbles = at::cat({values.bitwise_and(15), values.bitwise_right_shift(4)}, 2);
    const at::Tensor padded = (nibbles.to(at::kFloat) - 8) * scales.to(at::kFloat);
    return padded.flatten(1).narrow(1, 0, columns_);
  }

  MatrixFormat format_;
  std::int64_t columns_;
  at::Tensor values_;
  at::Tensor scales_;
};

class AtenBackend final : public Backend {
 public:
  explicit AtenBackend(int threads) { at::set_num_threads(threads); }

  const char* name() const override { return "aten"; }

  void prepare(const AttentionShape&, const StepShape&) override {}

  void embed(const MatrixView& table, std::span<const std::int32_t> tokens, float scale,
             float* out) override {
    const auto count = static_cast<std::int64_t>(tokens.size());
    const at::Tensor ids = at::from_blob(const_cast<std::int32_t*>(tokens.data()), {count},
                                         at::TensorOptions().dtype(at::kInt));
    const at::Tensor rows = view(out, {count, table.columns});
    rows.copy_(Weights(table).rows_at(ids));
    if (scale != 1.0f) rows.mul_(scale);
  }

  void rms_norm(const float* x, const Norm& norm, std::int64_t rows, std::int64_t columns,
                Output output, float* out) override {
    const at::Tensor normed = normalized(view(x, {rows, columns}), norm);
    const at::Tensor all = view(out, {rows, columns});
    if (output == Output::add)
      all.add_(normed);
    else
      all.copy_(normed);
  }

  void norm_heads(const AttentionShape& shape, const Norm& q, const Norm& k, std::int64_t rows,
                  float* qkv) override {
    const at::Tensor heads = view(qkv, {rows, shape.heads + 2 * shape.kv_heads, shape.head_dim});
    const at::Tensor queries = heads.narrow(1, 0, shape.heads);
    const at::Tensor keys = heads.narrow(1, shape.heads, shape.kv_heads);
    queries.copy_(normalized(queries, q));
    keys.copy_(normalized(keys, k));
  }

  void linear(const float* x, std::int64_t rows, const MatrixView& w, const float* bias,
              Output output, float* out) override {
    const at::Tensor input = view(x, {rows, w.columns});
    const at::Tensor all = view(out, {rows, w.rows});
    const Weights weights(w);
    const std::int64_t step = std::max<std::int64_t>(1, kWidenedElements / w.columns);
    for (std::int64_t first = 0; first < w.rows; first += step) {
      const std::int64_t count = std::min(step, w.rows - first);
      at::Tensor product = input.matmul(weights.rows(first, count).t());
      if (bias) product += view(bias + first, {count});
      const at::Tensor part = all.narrow(1, first, count);
      if (output == Output::add)
        part.add_(product);
      else
        part.copy_(product);
    }
  }

  void add_lora(const float* x, std::int64_t rows, const LoraTerm& term, float* shrunk,
                std::int64_t columns, float* out) override {
    linear(x, rows, term.a, nullptr, Output::replace, shrunk);
    const at::Tensor ranks = view(shrunk, {rows, term.a.rows});
    const at::Tensor all = view(out, {rows, columns});
    for (const LoraPart& part : term.parts) {
      const at::Tensor own = ranks.narrow(1, part.first_rank, part.b.columns);
      const at::Tensor expanded = own.matmul(Weights(part.b).rows(0, part.b.rows).t());
      all.narrow(1, part.first_column, part.b.rows).add_(expanded, part.scale);
    }
  }

  void rope_table(std::span<const float> frequencies, float magnitude,
                  std::span<const SequenceRows> sequences, float* table) override {
    const auto half = static_cast<std::int64_t>(frequencies.size());
    for (const SequenceRows& sequence : sequences) {
      const at::Tensor positions =
          at::arange(sequence.position, sequence.position + sequence.rows, at::kLong)
              .to(at::kFloat);
      const at::Tensor angles = at::outer(positions, view(frequencies.data(), {half}));
      view(table + sequence.first_row * 2 * half, {sequence.rows, 2 * half})
          .copy_(at::cat({angles.cos(), angles.sin()}, 1) * magnitude);
    }
  }

  void rope_and_store(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                      const float* table, float* qkv, const kv::KvStore& store,
                      std::int32_t layer) override {
    for (const SequenceRows& sequence : sequences) {
      const at::Tensor rows =
          view(qkv + sequence.first_row * shape.qkv_columns(),
               {sequence.rows, shape.heads + 2 * shape.kv_heads, shape.head_dim});
      if (table) rotate(shape, sequence, table, rows);
      for (std::int64_t row = 0; row < sequence.rows; ++row) {
        const std::int64_t position = sequence.position + row;
        const kv::PageId page =
            sequence.pages[static_cast<std::size_t>(position / kv::kPageTokens)];
        const std::int64_t slot = position % kv::kPageTokens;
        page_view(store.keys(page, layer, 0), store.layout())
            .select(1, slot)
            .copy_(rows[row].narrow(0, shape.heads, shape.kv_heads));
        page_view(store.values(page, layer, 0), store.layout())
            .select(1, slot)
            .copy_(rows[row].narrow(0, shape.heads + shape.kv_heads, shape.kv_heads));
      }
    }
  }

  void attention(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                 const float* qkv, const kv::KvStore& store, std::int32_t layer,
                 float* out) override {
    for (const SequenceRows& sequence : sequences) {
      const std::int64_t context = sequence.position + sequence.rows;
      const at::Tensor keys = gather(sequence, context, store, layer, /*values=*/false);
      const at::Tensor values = gather(sequence, context, store, layer, /*values=*/true);
      const at::Tensor hidden = hidden_tokens(shape, sequence, context);
      const at::Tensor queries =
          view(qkv + sequence.first_row * shape.qkv_columns(),
               {sequence.rows, shape.heads + 2 * shape.kv_heads, shape.head_dim});
      const at::Tensor result = view(out + sequence.first_row * shape.query_columns(),
                                     {sequence.rows, shape.heads, shape.head_dim});
      for (std::int64_t head = 0; head < shape.heads; ++head) {
        const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
        at::Tensor scores = queries.select(1, head).matmul(keys[kv_head].t()) * shape.scale;
        if (shape.softcap > 0.0f) scores = (scores / shape.softcap).tanh() * shape.softcap;
        const at::Tensor weights = scores.masked_fill(hidden, -INFINITY).softmax(-1);
        result.select(1, head).copy_(weights.matmul(values[kv_head]));
      }
    }
  }

  void gate(io::Activation activation, const float* gate_up, std::int64_t rows,
            std::int64_t columns, float* out) override {
    const at::Tensor both = view(gate_up, {rows, 2 * columns});
    const at::Tensor gates = both.narrow(1, 0, columns);
    const at::Tensor open =
        activation == io::Activation::silu ? at::silu(gates) : at::gelu(gates, "tanh");
    view(out, {rows, columns}).copy_(open * both.narrow(1, columns, columns));
  }

  void softcap(float* x, std::int64_t count, float cap) override {
    view(x, {count}).div_(cap).tanh_().mul_(cap);
  }

  void gather_rows(const float* x, std::span<const std::int64_t> indices, std::int64_t columns,
                   float* out) override {
    for (std::size_t i = 0; i < indices.size(); ++i)
      std::memmove(out + static_cast<std::int64_t>(i) * columns, x + indices[i] * columns,
                   static_cast<std::size_t>(columns) * sizeof(float));
  }

  void copy_to_host(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }

 private:
  // By the last dimension.
  static at::Tensor normalized(const at::Tensor& x, const Norm& norm) {
    const at::Tensor scale = (x.pow(2).mean(-1, /*keepdim=*/true) + norm.eps).rsqrt();
    return x * scale * (view(norm.weight, {x.size(-1)}) + norm.offset);
  }

  // rows: (rows, heads + 2 * kv_heads, head_dim), turned in place.
  static void rotate(const AttentionShape& shape, const SequenceRows& sequence, const float* table,
                     const at::Tensor& rows) {
    const std::int64_t dim = shape.rotary_dim;
    const std::int64_t half = dim / 2;
    const at::Tensor turns = view(table + sequence.first_row * dim, {sequence.rows, 1, dim});
    const at::Tensor cosine = turns.narrow(2, 0, half);
    const at::Tensor sine = turns.narrow(2, half, half);
    const at::Tensor turned = rows.narrow(1, 0, shape.heads + shape.kv_heads).narrow(2, 0, dim);
    const at::Tensor a = turned.narrow(2, 0, half);
    const at::Tensor b = turned.narrow(2, half, half);
    turned.copy_(at::cat({a * cosine - b * sine, b * cosine + a * sine}, 2));
  }

  // (rows, context): true where the token lies behind the row's own, or before its window.
  static at::Tensor hidden_tokens(const AttentionShape& shape, const SequenceRows& sequence,
                                  std::int64_t context) {
    const at::Tensor all = at::ones({sequence.rows, context}, at::kBool);
    const at::Tensor behind = all.triu(std::int64_t{sequence.position} + 1);
    if (shape.window == 0) return behind;
    return behind.logical_or(all.tril(std::int64_t{sequence.position} - shape.window));
  }

  // (kv_heads, context, head_dim) in float, out of the sequence's pages.
  static at::Tensor gather(const SequenceRows& sequence, std::int64_t context,
                           const kv::KvStore& store, std::int32_t layer, bool values) {
    std::vector<at::Tensor> pages;
    for (const kv::PageId page :
         sequence.pages.first(static_cast<std::size_t>(kv::pages_for(context))))
      pages.push_back(page_view(values ? store.values(page, layer, 0) : store.keys(page, layer, 0),
                                store.layout()));
    return at::cat(pages, 1).narrow(1, 0, context).to(at::kFloat);
  }
};

}  // namespace

std::unique_ptr<Backend> make_aten_backend(int threads) {
  return std::make_unique<AtenBackend>(threads);
}

}  // namespace gpumodel::engine::device
