#include "engine/memory/budget.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

namespace memory = gpumodel::engine::memory;

BOOST_AUTO_TEST_SUITE(budget)

BOOST_AUTO_TEST_CASE(reservations_come_back) {
  memory::Budget budget(100);
  {
    const memory::Reservation a = budget.reserve(60, "a");
    memory::Reservation b = budget.reserve(40, "b");
    BOOST_TEST(budget.free_bytes() == 0u);
    b.release();
    b.release();
    BOOST_TEST(budget.free_bytes() == 40u);
    BOOST_TEST(b.bytes() == 0u);
  }
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(a_move_takes_the_bytes_along) {
  memory::Budget budget(100);
  memory::Reservation a = budget.reserve(30, "a");
  memory::Reservation b = std::move(a);
  BOOST_TEST(budget.used_bytes() == 30u);
  memory::Reservation c = budget.reserve(50, "c");
  c = std::move(b);
  BOOST_TEST(budget.used_bytes() == 30u);
  c = memory::Reservation();
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(too_much_is_an_answer_with_numbers) {
  memory::Budget budget(100);
  const memory::Reservation a = budget.reserve(70, "a");
  try {
    budget.reserve(31, "weights");
    BOOST_FAIL("31 of 30 free bytes were given");
  } catch (const memory::OutOfMemory& error) {
    BOOST_TEST(error.wanted_bytes() == 31u);
    BOOST_TEST(error.free_bytes() == 30u);
    BOOST_TEST(error.capacity_bytes() == 100u);
    BOOST_TEST(std::string(error.what()) == "weights needs 31 bytes, 30 of 100 are free");
  }
  BOOST_CHECK_THROW(budget.reserve(std::numeric_limits<std::uint64_t>::max(), "all"),
                    memory::OutOfMemory);
  BOOST_TEST(budget.used_bytes() == 70u);
}

BOOST_AUTO_TEST_CASE(threads_never_get_more_than_there_is) {
  memory::Budget budget(10);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&budget] {
      for (int round = 0; round < 5000; ++round) {
        try {
          const memory::Reservation held = budget.reserve(4, "x");
          if (budget.used_bytes() > budget.capacity_bytes()) std::abort();
        } catch (const memory::OutOfMemory&) {
          std::this_thread::yield();
        }
      }
    });
  }
  threads.clear();
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
