#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/device/backend.hpp"
#include "engine/device/cpu/aligned_bytes.hpp"
#include "engine/device/cpu/attention_tasks.hpp"
#include "engine/device/cpu/blocks.hpp"
#include "engine/device/cpu/kernels.hpp"
#include "engine/device/cpu/thread_team.hpp"

namespace gpumodel::engine::device {
namespace {

using cpu::Kernels;

// A task of about this much work costs some microseconds: small beside it is the claim of a task,
// and small beside a product is the wait for the last of its tasks.
constexpr std::int64_t kTaskElements = 32 * 1024;  // of a weight matrix, or of activations
constexpr std::int64_t kManyTaskRows = 32;         // of weights, in a product of many rows

class CpuBackend final : public Backend {
 public:
  CpuBackend(const Kernels& kernels, int threads) : kernels_(kernels), team_(threads) {
    scratch_.resize(static_cast<std::size_t>(team_.threads()));
  }

  const char* name() const override { return kernels_.name; }

  void prepare(const AttentionShape& shape, const StepShape& step) override {
    grow_scratch(kernels_.attention_scratch_floats(shape.head_dim));
    grow_scratch(kernels_.linear_scratch_floats(step.columns));
    const std::int64_t row = std::max(cpu::input_bytes(cpu::Input::bf16_pair, step.columns),
                                      cpu::input_bytes(cpu::Input::blocks, step.columns));
    packed_.grow(step.rows * row);
    const std::int64_t parts =
        cpu::most_parts(team_.threads()) * cpu::kMaxQueries * (shape.head_dim + 2);
    if (parts_.size() < static_cast<std::size_t>(parts))
      parts_.resize(static_cast<std::size_t>(parts));
    tasks_.reserve(
        static_cast<std::size_t>(step.rows * shape.heads + cpu::most_parts(team_.threads())));
  }

  void embed(const MatrixView& table, std::span<const std::int32_t> tokens, float scale,
             float* out) override {
    for_rows(static_cast<std::int64_t>(tokens.size()), table.columns, [&](std::int64_t row) {
      kernels_.unpack_row(table, tokens[static_cast<std::size_t>(row)], out + row * table.columns);
      if (scale != 1.0f) kernels_.multiply(out + row * table.columns, table.columns, scale);
    });
  }

  void rms_norm(const float* x, const Norm& norm, std::int64_t rows, std::int64_t columns,
                Output output, float* out) override {
    for_rows(rows, columns, [&](std::int64_t row) {
      kernels_.rms_norm(x + row * columns, norm, columns, output, out + row * columns);
    });
  }

  void norm_heads(const AttentionShape& shape, const Norm& q, const Norm& k, std::int64_t rows,
                  float* qkv) override {
    const std::int64_t dim = shape.head_dim;
    const std::int64_t heads = shape.heads + shape.kv_heads;
    for_rows(rows, heads * dim, [&](std::int64_t row) {
      float* first = qkv + row * shape.qkv_columns();
      for (std::int64_t head = 0; head < heads; ++head)
        kernels_.rms_norm(first + head * dim, head < shape.heads ? q : k, dim, Output::replace,
                          first + head * dim);
    });
  }

  void linear(const float* x, std::int64_t rows, const MatrixView& w, const float* bias,
              Output output, float* out) override {
    product({x, w.columns, rows, w, bias, output, out, w.rows});
  }

  void add_lora(const float* x, std::int64_t rows, const LoraTerm& term, float* shrunk,
                std::int64_t columns, float* out) override {
    const std::int64_t ranks = term.a.rows;
    product({x, term.a.columns, rows, term.a, nullptr, Output::replace, shrunk, ranks});
    for (const LoraPart& part : term.parts) {
      for (std::int64_t row = 0; row < rows; ++row)
        kernels_.multiply(shrunk + row * ranks + part.first_rank, part.b.columns, part.scale);
      product({shrunk + part.first_rank, ranks, rows, part.b, nullptr, Output::add,
               out + part.first_column, columns});
    }
  }

  void rope_table(std::span<const float> frequencies, float magnitude,
                  std::span<const SequenceRows> sequences, float* table) override {
    const auto half = static_cast<std::int64_t>(frequencies.size());
    for (const SequenceRows& sequence : sequences) {
      float* to = table + sequence.first_row * 2 * half;
      for (std::int64_t row = 0; row < sequence.rows; ++row, to += 2 * half) {
        const auto position = static_cast<float>(sequence.position + row);
        for (std::int64_t i = 0; i < half; ++i) {
          const float angle = position * frequencies[static_cast<std::size_t>(i)];
          to[i] = std::cos(angle) * magnitude;
          to[half + i] = std::sin(angle) * magnitude;
        }
      }
    }
  }

  void rope_and_store(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                      const float* table, float* qkv, const kv::KvStore& store,
                      std::int32_t layer) override {
    for (const SequenceRows& sequence : sequences)
      for_rows(sequence.rows, shape.qkv_columns(), [&](std::int64_t row) {
        const std::int64_t index = sequence.first_row + row;
        float* heads = qkv + index * shape.qkv_columns();
        for (std::int64_t head = 0; table && head < shape.heads + shape.kv_heads; ++head)
          kernels_.rotate(table + index * shape.rotary_dim, shape.rotary_dim,
                          heads + head * shape.head_dim);
        store_row(shape, sequence, row, heads + shape.query_columns(), store, layer);
      });
  }

  void attention(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                 const float* qkv, const kv::KvStore& store, std::int32_t layer,
                 float* out) override {
    cpu::plan_attention(shape, sequences, team_.threads(), tasks_);
    const std::int64_t stride = cpu::kMaxQueries * (shape.head_dim + 2);
    const auto sums_of = [&](const cpu::AttentionTask& task) {
      return task.part < 0 ? nullptr : parts_.data() + task.part * stride;
    };
    team_.run(static_cast<std::int64_t>(tasks_.size()), [&](std::int64_t index, int thread) {
      const cpu::AttentionTask& task = tasks_[static_cast<std::size_t>(index)];
      kernels_.attention({task.sequence, &shape, &store, layer, task.kv_head, task.first,
                          task.count, qkv, out, task.first_token, task.last_token, sums_of(task)},
                         scratch(thread));
    });
    for (const cpu::AttentionTask& task : tasks_)
      if (task.parts > 1) merge(shape, task, sums_of(task), out);
  }

  void gate(io::Activation activation, const float* gate_up, std::int64_t rows,
            std::int64_t columns, float* out) override {
    for_rows(rows, 4 * columns, [&](std::int64_t row) {
      kernels_.gate(activation, gate_up + row * 2 * columns, columns, out + row * columns);
    });
  }

  void softcap(float* x, std::int64_t count, float cap) override {
    constexpr std::int64_t kStep = kTaskElements / 4;  // an exponential each
    team_.run((count + kStep - 1) / kStep, [&](std::int64_t task, int) {
      kernels_.softcap(x + task * kStep, std::min(kStep, count - task * kStep), cap);
    });
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
  void merge(const AttentionShape& shape, const cpu::AttentionTask& task, const float* parts,
             float* out) {
    const std::int64_t group = shape.heads / shape.kv_heads;
    const std::int64_t query_floats = shape.head_dim + 2;
    for (std::int64_t i = 0; i < task.count; ++i) {
      const std::int64_t query = task.first + i;
      const std::int64_t head = task.kv_head * group + query % group;
      float* to = out + (task.sequence->first_row + query / group) * shape.query_columns() +
                  head * shape.head_dim;
      cpu::merge_parts(parts + i * query_floats, task.parts, cpu::kMaxQueries * query_floats,
                       shape.head_dim, to);
    }
  }

  void product(cpu::LinearArgs args) {
    const MatrixView& w = args.w;
    pack_input(args);
    const bool many = kernels_.is_many(w.format, args.rows);
    const std::int64_t least = cpu::kTaskRows;
    const std::int64_t step =
        many ? kManyTaskRows : std::max(least, kTaskElements / w.columns / least * least);
    team_.run((w.rows + step - 1) / step, [&](std::int64_t task, int thread) {
      const std::int64_t first = task * step;
      const std::int64_t last = std::min(first + step, w.rows);
      if (many)
        kernels_.linear_many_rows(args, first, last, scratch(thread));
      else
        kernels_.linear_few_rows(args, first, last);
    });
  }

  void pack_input(cpu::LinearArgs& args) {
    const std::int64_t columns = args.w.columns;
    args.input = kernels_.input_of(args.w.format, args.rows);
    if (args.input == cpu::Input::floats) return;
    args.packed_stride = cpu::input_bytes(args.input, columns);
    args.packed = packed_.data();
    for_rows(args.rows, columns, [&](std::int64_t row) {
      kernels_.pack_input(args.input, args.x + row * args.x_stride, columns,
                          packed_.data() + row * args.packed_stride);
    });
  }

  // Calls body(row) for every row, on several threads where rows of `cost` elements are worth it.
  template <class Body>
  void for_rows(std::int64_t rows, std::int64_t cost, const Body& body) {
    const std::int64_t step = std::max<std::int64_t>(1, kTaskElements / cost);
    team_.run((rows + step - 1) / step, [&](std::int64_t task, int) {
      const std::int64_t last = std::min(rows, (task + 1) * step);
      for (std::int64_t row = task * step; row < last; ++row) body(row);
    });
  }

  // kv: the row's keys, then its values, of all key heads.
  void store_row(const AttentionShape& shape, const SequenceRows& sequence, std::int64_t row,
                 const float* kv, const kv::KvStore& store, std::int32_t layer) {
    const std::int64_t position = sequence.position + row;
    const kv::PageId page = sequence.pages[static_cast<std::size_t>(position / kv::kPageTokens)];
    const io::DType dtype = store.layout().dtype;
    const auto slot = position % kv::kPageTokens * shape.head_dim *
                      static_cast<std::int64_t>(io::dtype_bytes(dtype));
    for (std::int32_t head = 0; head < shape.kv_heads; ++head) {
      const float* key = kv + std::int64_t{head} * shape.head_dim;
      const float* value = key + std::int64_t{shape.kv_heads} * shape.head_dim;
      kernels_.pack(key, shape.head_dim, dtype, store.keys(page, layer, head) + slot);
      kernels_.pack(value, shape.head_dim, dtype, store.values(page, layer, head) + slot);
    }
  }

  void grow_scratch(std::int64_t floats) {
    for (std::vector<float>& own : scratch_)
      if (own.size() < static_cast<std::size_t>(floats))
        own.resize(static_cast<std::size_t>(floats));
  }

  float* scratch(int thread) { return scratch_[static_cast<std::size_t>(thread)].data(); }

  const Kernels& kernels_;
  cpu::ThreadTeam team_;
  std::vector<std::vector<float>> scratch_;  // by thread
  cpu::AlignedBytes packed_;                 // x of the product that runs
  std::vector<cpu::AttentionTask> tasks_;
  std::vector<float> parts_;  // by task
};

// The fastest first; null what this processor does not run.
const Kernels* const kAll[] = {cpu::avx512_kernels(), cpu::avx2_kernels()};

}  // namespace

std::vector<std::string> cpu_kernels() {
  std::vector<std::string> names;
  for (const Kernels* kernels : kAll)
    if (kernels != nullptr) names.emplace_back(kernels->name);
  return names;
}

std::unique_ptr<Backend> make_cpu_backend(int threads, std::string_view name) {
  for (const Kernels* kernels : kAll)
    if (kernels != nullptr && (name.empty() || name == kernels->name))
      return std::make_unique<CpuBackend>(*kernels, threads);
  return nullptr;
}

}  // namespace gpumodel::engine::device
