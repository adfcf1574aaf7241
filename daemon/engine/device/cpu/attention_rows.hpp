// What attention's kernels have in common: which query lies where and sees what. Internal linkage,
// as each kernel is compiled for its own instructions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/device/cpu/kernels.hpp"

namespace gpumodel::engine::device::cpu {
namespace {

inline std::int64_t group(const AttentionArgs& args) {
  return args.shape->heads / args.shape->kv_heads;
}

// The query's elements in the step's rows, where a row has `columns` and heads lie side by side.
inline std::int64_t query_offset(const AttentionArgs& args, std::int64_t query,
                                 std::int64_t columns) {
  const std::int64_t head = args.kv_head * group(args) + query % group(args);
  return (args.sequence->first_row + query / group(args)) * columns + head * args.shape->head_dim;
}

inline std::int64_t position(const AttentionArgs& args, std::int64_t query) {
  return args.sequence->position + query / group(args);
}

// The first token that the query sees.
inline std::int64_t first_seen(const AttentionArgs& args, std::int64_t query) {
  if (args.shape->window == 0) return 0;
  return std::max<std::int64_t>(0, position(args, query) + 1 - args.shape->window);
}

// Calls body(page, the page after it or itself, first token, tokens) for each page of the task's
// tokens that any of its queries sees; what lies behind `tokens` of a page was never written.
template <class Body>
inline void for_pages(const AttentionArgs& args, const Body& body) {
  const std::int64_t context = position(args, args.first + args.count - 1) + 1;
  const std::int64_t end = std::min(context, args.last_token);
  const std::int64_t begin = std::max(first_seen(args, args.first), args.first_token);
  const auto page_of = [&](std::int64_t token) {
    return args.sequence->pages[static_cast<std::size_t>(token / kv::kPageTokens)];
  };
  for (std::int64_t token = begin / kv::kPageTokens * kv::kPageTokens; token < end;
       token += kv::kPageTokens) {
    const std::int64_t next = token + kv::kPageTokens < end ? token + kv::kPageTokens : token;
    body(page_of(token), page_of(next), token,
         std::min<std::int64_t>(kv::kPageTokens, end - token));
  }
}

// Which tokens of the page that begins at `token` the query sees: from `first` on, before `end`.
// Either may lie outside.
struct Visible {
  std::int64_t first;
  std::int64_t end;

  Visible(const AttentionArgs& args, std::int64_t query, std::int64_t token)
      : first(first_seen(args, args.first + query) - token),
        end(position(args, args.first + query) + 1 - token) {}
  bool is_empty() const { return first >= kv::kPageTokens || end <= 0 || first >= end; }
};

// Hands over what a task has summed up: `sums` by rows of `width`, relative to the maxima.
inline void finish(const AttentionArgs& args, const float* sums, std::int64_t width,
                   const float* maximum, const float* total) {
  const std::int64_t dim = args.shape->head_dim;
  for (std::int64_t i = 0; i < args.count; ++i) {
    const float* from = sums + i * width;
    if (args.partial == nullptr) {
      const float inverse = 1.0f / total[i];
      float* to = args.out + query_offset(args, args.first + i, args.shape->query_columns());
      for (std::int64_t d = 0; d < dim; ++d) to[d] = from[d] * inverse;
    } else {
      float* to = args.partial + i * (dim + 2);
      std::copy_n(from, dim, to);
      to[dim] = maximum[i];
      to[dim + 1] = total[i];
    }
  }
}

}  // namespace
}  // namespace gpumodel::engine::device::cpu
