// How a step's attention is cut into tasks for a team of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/device/backend.hpp"

namespace gpumodel::engine::device::cpu {

// Queries, key head and tokens as in AttentionArgs.
struct AttentionTask {
  const SequenceRows* sequence;
  std::int32_t kv_head;
  std::int64_t first;
  std::int64_t count;
  std::int64_t first_token;
  std::int64_t last_token;
  // Where the queries' tokens are shared by several tasks: their number for the first of them, 0
  // for the others; and which part of the step's this is, counted in order. Elsewhere 1 and -1.
  std::int64_t parts = 1;
  std::int64_t part = -1;
};

// A step has at most this many parts for a team of `threads`; a part has at most kMaxQueries
// queries.
std::int64_t most_parts(int threads);

// Replaces `tasks`. All queries of a block of rows go together, so that they read keys and values
// once; where that makes too few tasks for the team, long contexts are cut into parts (Dao et al.
// 2023, "Flash-Decoding"), each at least 512 tokens.
void plan_attention(const AttentionShape& shape, std::span<const SequenceRows> sequences,
                    int threads, std::vector<AttentionTask>& tasks);

// One query of all `parts` to its output: sums (parts, stride) as AttentionArgs::partial has them,
// `stride` floats from one part to the next.
void merge_parts(const float* sums, std::int64_t parts, std::int64_t stride, std::int64_t head_dim,
                 float* out);

}  // namespace gpumodel::engine::device::cpu
