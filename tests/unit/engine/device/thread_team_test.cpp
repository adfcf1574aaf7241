#include "engine/device/cpu/thread_team.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

using gpumodel::engine::device::cpu::ThreadTeam;

BOOST_AUTO_TEST_SUITE(thread_team)

BOOST_AUTO_TEST_CASE(calls_every_index_once_whatever_the_team) {
  for (const int threads : {1, 2, 5}) {
    ThreadTeam team(threads);
    BOOST_TEST(team.threads() == threads);
    for (const std::int64_t count : {0, 1, 2, 3, 100, 10000}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      std::atomic<bool> known = true;
      team.run(count, [&](std::int64_t index, int thread) {
        calls[static_cast<std::size_t>(index)].fetch_add(1, std::memory_order_relaxed);
        if (thread < 0 || thread >= threads) known = false;
      });
      BOOST_TEST(known);
      for (const auto& call : calls) BOOST_REQUIRE(call == 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_the_body_wrote_is_visible_after_run) {
  ThreadTeam team(3);
  std::vector<std::int64_t> values(64);
  for (std::int64_t round = 0; round < 20000; ++round) {
    team.run(64, [&](std::int64_t index, int) {
      values[static_cast<std::size_t>(index)] = round + index;
    });
    for (std::int64_t index = 0; index < 64; ++index)
      BOOST_REQUIRE(values[static_cast<std::size_t>(index)] == round + index);
  }
}

BOOST_AUTO_TEST_CASE(works_again_after_its_workers_went_to_sleep) {
  ThreadTeam team(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::atomic<int> calls = 0;
    team.run(100, [&](std::int64_t, int) { ++calls; });
    BOOST_TEST(calls == 100);
  }
}

BOOST_AUTO_TEST_CASE(waiting_workers_do_not_burn_a_core) {
  ThreadTeam team(4);
  team.run(16, [](std::int64_t, int) {});
  const std::clock_t before = std::clock();  // processor time of all threads
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  BOOST_TEST(seconds < 0.03);
}

BOOST_AUTO_TEST_SUITE_END()
