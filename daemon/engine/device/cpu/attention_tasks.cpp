#include "engine/device/cpu/attention_tasks.hpp"

#include <algorithm>
#include <cmath>

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu {
namespace {

constexpr std::int64_t kLeastPartTokens = 512;
constexpr std::int64_t kTasksPerThread = 4;  // fewer, and threads wait for the last

std::int64_t blocks_of(const AttentionShape& shape, const SequenceRows& sequence) {
  const std::int64_t queries = std::int64_t{sequence.rows} * (shape.heads / shape.kv_heads);
  return (queries + kMaxQueries - 1) / kMaxQueries;
}

// Cuts the tokens that a task's queries see into nearly equal runs of whole pages. `next` is the
// number of the step's next part.
void add_parts(const AttentionTask& task, std::int64_t parts, std::int64_t& next,
               std::vector<AttentionTask>& tasks) {
  if (parts == 1) {
    tasks.push_back(task);
    return;
  }
  const std::int64_t first_page = task.first_token / kv::kPageTokens;
  const std::int64_t pages = kv::pages_for(task.last_token) - first_page;
  for (std::int64_t part = 0; part < parts; ++part) {
    AttentionTask own = task;
    own.first_token = (first_page + pages * part / parts) * kv::kPageTokens;
    own.last_token =
        std::min((first_page + pages * (part + 1) / parts) * kv::kPageTokens, task.last_token);
    own.parts = part == 0 ? parts : 0;
    own.part = next++;
    tasks.push_back(own);
  }
}

}  // namespace

std::int64_t most_parts(int threads) { return 4 * kTasksPerThread * threads; }

void plan_attention(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                    int threads, std::vector<AttentionTask>& tasks) {
  tasks.clear();
  std::int64_t blocks = 0;
  for (const SequenceRows& sequence : sequences) blocks += blocks_of(shape, sequence);
  const std::int64_t wanted = kTasksPerThread * threads;
  const std::int64_t most =
      blocks * shape.kv_heads >= wanted
          ? 1
          : (2 * wanted + blocks * shape.kv_heads - 1) / (blocks * shape.kv_heads);
  const std::int64_t group = shape.heads / shape.kv_heads;
  std::int64_t next_part = 0;
  for (const SequenceRows& sequence : sequences) {
    // The last blocks see most tokens: they go first, so that the threads end together.
    for (std::int64_t block = blocks_of(shape, sequence); block-- > 0;) {
      const std::int64_t first = block * kMaxQueries;
      const std::int64_t count = std::min(kMaxQueries, sequence.rows * group - first);
      const std::int64_t end = sequence.position + (first + count - 1) / group + 1;
      const std::int64_t oldest = sequence.position + first / group + 1 - shape.window;
      const std::int64_t begin = shape.window == 0 ? 0 : std::max<std::int64_t>(0, oldest);
      const std::int64_t parts =
          std::clamp<std::int64_t>((end - begin) / kLeastPartTokens, 1, most);
      for (std::int32_t head = 0; head < shape.kv_heads; ++head)
        add_parts({&sequence, head, first, count, begin, end}, parts, next_part, tasks);
    }
  }
}

void merge_parts(const float* sums, std::int64_t parts, std::int64_t stride, std::int64_t head_dim,
                 float* out) {
  float maximum = sums[head_dim];
  for (std::int64_t part = 1; part < parts; ++part)
    maximum = std::max(maximum, sums[part * stride + head_dim]);
  float total = 0.0f;
  std::fill_n(out, head_dim, 0.0f);
  for (std::int64_t part = 0; part < parts; ++part) {
    const float* own = sums + part * stride;
    if (own[head_dim + 1] == 0.0f) continue;
    const float factor = std::exp(own[head_dim] - maximum);
    total += factor * own[head_dim + 1];
    for (std::int64_t d = 0; d < head_dim; ++d) out[d] += factor * own[d];
  }
  for (std::int64_t d = 0; d < head_dim; ++d) out[d] /= total;
}

}  // namespace gpumodel::engine::device::cpu
