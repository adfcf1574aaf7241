// What one template may cost. A template comes with a model folder and its input from a client;
// both may be hostile, so every resource has a bound and exceeding one is a TemplateError, never a
// crash.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpumodel::engine::text {

struct TemplateLimits {
  // Units of work: one per evaluated node, more for operations on long strings and lists. The wall
  // time of a render is bounded by this (10 million take about a second).
  std::uint64_t steps = 10'000'000;
  // Nesting of evaluation: expressions in statements in macros in macros. Bounds the C++ stack.
  unsigned depth = 1000;
  // Bytes of the rendered text.
  std::size_t output_bytes = std::size_t{64} << 20;
  // Bytes of one string value, and of each captured block.
  std::size_t string_bytes = std::size_t{32} << 20;
  // Elements of one list, tuple or dict.
  std::size_t elements = 1'000'000;
  // Bytes that all live values together may hold.
  std::size_t live_bytes = std::size_t{256} << 20;
};

}  // namespace gpumodel::engine::text
