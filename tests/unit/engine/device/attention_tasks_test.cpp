#include "engine/device/cpu/attention_tasks.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <random>

#include "engine/device/cpu/kernels.hpp"

using namespace gpumodel::engine;
using device::AttentionShape;
using device::SequenceRows;
using device::cpu::AttentionTask;

namespace {

std::int64_t below(std::mt19937& random, std::int64_t limit) {
  return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random);
}

std::vector<SequenceRows> some_sequences(std::mt19937& random) {
  std::vector<SequenceRows> sequences;
  std::int64_t row = 0;
  for (std::int64_t count = 1 + below(random, 6); count > 0; --count) {
    const auto rows = static_cast<std::int32_t>(below(random, 3) == 0 ? 1 + below(random, 90) : 1);
    sequences.push_back({row, rows, static_cast<std::int32_t>(below(random, 9000)), {}});
    row += rows;
  }
  return sequences;
}

// How many tokens of the pages each query and key head is given, by sequence.
using Given = std::map<std::tuple<const SequenceRows*, std::int32_t, std::int64_t>, std::int64_t>;

void check_parts(const std::vector<AttentionTask>& tasks, int threads) {
  std::int64_t next = 0, open = 0;
  for (const AttentionTask& task : tasks) {
    if (task.part < 0) {
      BOOST_TEST(task.parts == 1);
      BOOST_TEST(open == 0);
      continue;
    }
    BOOST_TEST(task.part == next++);
    BOOST_TEST((task.parts > 1) == (open == 0));
    if (open == 0) open = task.parts;
    --open;
  }
  BOOST_TEST(open == 0);
  BOOST_TEST(next <= device::cpu::most_parts(threads));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention_tasks)

BOOST_AUTO_TEST_CASE(every_query_is_given_all_its_tokens_once) {
  std::mt19937 random(31);
  std::vector<AttentionTask> tasks;
  for (int round = 0; round < 400; ++round) {
    AttentionShape shape{.heads = 0, .kv_heads = static_cast<std::int32_t>(1 + below(random, 8))};
    shape.heads = shape.kv_heads * static_cast<std::int32_t>(1 + below(random, 8));
    shape.window = below(random, 3) == 0 ? static_cast<std::int32_t>(1 + below(random, 3000)) : 0;
    const int threads = static_cast<int>(1 + below(random, 64));
    const std::vector<SequenceRows> sequences = some_sequences(random);
    device::cpu::plan_attention(shape, sequences, threads, tasks);
    check_parts(tasks, threads);
    Given given;
    const std::int64_t group = shape.heads / shape.kv_heads;
    for (const AttentionTask& task : tasks) {
      BOOST_REQUIRE(task.count >= 1);
      BOOST_REQUIRE(task.count <= device::cpu::kMaxQueries);
      BOOST_REQUIRE(task.first_token < task.last_token);
      for (std::int64_t query = task.first; query < task.first + task.count; ++query) {
        const std::int64_t end = task.sequence->position + query / group + 1;
        const std::int64_t begin =
            shape.window == 0 ? 0 : std::max<std::int64_t>(0, end - shape.window);
        const std::int64_t seen =
            std::min(end, task.last_token) - std::max(begin, task.first_token);
        given[{task.sequence, task.kv_head, query}] += std::max<std::int64_t>(0, seen);
      }
    }
    for (const SequenceRows& sequence : sequences)
      for (std::int32_t head = 0; head < shape.kv_heads; ++head)
        for (std::int64_t query = 0; query < sequence.rows * group; ++query) {
          const std::int64_t context = sequence.position + query / group + 1;
          const std::int64_t wanted =
              shape.window == 0 ? context : std::min<std::int64_t>(context, shape.window);
          BOOST_REQUIRE((given[{&sequence, head, query}] == wanted));
        }
  }
}

BOOST_AUTO_TEST_CASE(a_long_context_alone_keeps_the_team_busy) {
  const AttentionShape shape{.heads = 9, .kv_heads = 3};
  std::vector<AttentionTask> tasks;
  const SequenceRows alone[] = {{0, 1, 8000, {}}};
  device::cpu::plan_attention(shape, alone, 8, tasks);
  BOOST_TEST(tasks.size() >= 32u);
  const SequenceRows brief[] = {{0, 1, 700, {}}};
  device::cpu::plan_attention(shape, brief, 8, tasks);
  BOOST_TEST(tasks.size() == 3u);
}

BOOST_AUTO_TEST_CASE(merged_parts_are_the_softmax_over_all_of_them) {
  // Two tokens of score 1 and 3, values (2, 4) and (6, 8); a third part sees nothing.
  const float sums[] = {2, 4, 1, 1, 6, 8, 3, 1, 0, 0, -INFINITY, 0};
  float out[2];
  device::cpu::merge_parts(sums, 3, 4, 2, out);
  const float first = std::exp(-2.0f) / (1 + std::exp(-2.0f));
  BOOST_TEST(out[0] == 2 * first + 6 * (1 - first), boost::test_tools::tolerance(1e-5f));
  BOOST_TEST(out[1] == 4 * first + 8 * (1 - first), boost::test_tools::tolerance(1e-5f));
}

BOOST_AUTO_TEST_SUITE_END()
