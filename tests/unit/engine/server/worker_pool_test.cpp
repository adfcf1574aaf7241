#include "engine/server/worker_pool.hpp"

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace {

using gpumodel::engine::server::WorkerPool;
using Length = WorkerPool::Length;

constexpr std::chrono::seconds kPatience{60};

// Something that jobs wait for.
class Gate {
 public:
  void open() { promise_.set_value(); }
  void wait() const { BOOST_REQUIRE(future_.wait_for(kPatience) == std::future_status::ready); }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

BOOST_AUTO_TEST_SUITE(worker_pool)

BOOST_AUTO_TEST_CASE(lengthy_jobs_leave_a_thread_to_brief_ones) {
  Gate begun, end, brief_done;
  std::atomic<int> lengthy_begun{0};
  WorkerPool pool(3);
  for (int i = 0; i < 5; ++i)
    pool.submit(Length::lengthy, [&] {
      if (++lengthy_begun == 2) begun.open();
      end.wait();
    });
  begun.wait();
  pool.submit(Length::brief, [&] { brief_done.open(); });
  brief_done.wait();
  BOOST_TEST(lengthy_begun == 2);
  end.open();
}

BOOST_AUTO_TEST_CASE(a_pool_of_one_has_two_threads) {
  Gate begun, brief_done;
  WorkerPool pool(1);
  pool.submit(Length::lengthy, [&] {
    begun.open();
    brief_done.wait();
  });
  begun.wait();
  pool.submit(Length::brief, [&] { brief_done.open(); });
  brief_done.wait();
}

BOOST_AUTO_TEST_CASE(every_job_runs_once_and_in_its_order) {
  std::vector<int> order;
  Gate done;
  WorkerPool pool(2);  // one at a time for lengthy ones
  for (int i = 0; i < 100; ++i)
    pool.submit(Length::lengthy, [&, i] {
      order.push_back(i);
      if (i == 99) done.open();
    });
  done.wait();
  BOOST_TEST(order.size() == 100u);
  BOOST_TEST(std::is_sorted(order.begin(), order.end()));
}

BOOST_AUTO_TEST_CASE(the_end_waits_for_what_runs_and_drops_what_does_not) {
  std::atomic<bool> ran{false};
  const auto held = std::make_shared<int>(1);
  std::promise<void> begun;
  Gate submitted;
  {
    WorkerPool pool(2);
    pool.submit(Length::lengthy, [&] {
      begun.set_value();
      submitted.wait();
      // Until the pool has dropped the job that waits behind this one.
      const auto until = std::chrono::steady_clock::now() + kPatience;
      while (held.use_count() > 1 && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
      ran = true;
    });
    begun.get_future().wait();
    pool.submit(Length::lengthy, [held] { BOOST_ERROR("a dropped job ran"); });
    submitted.open();
  }
  BOOST_TEST(ran);
  BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(what_a_job_holds_goes_when_it_is_done) {
  const auto held = std::make_shared<int>(1);
  Gate done;
  WorkerPool pool(2);
  // The second runs on the same thread, after the first was let go.
  pool.submit(Length::lengthy, [held] {});
  pool.submit(Length::lengthy, [&] {
    BOOST_TEST(held.use_count() == 1);
    done.open();
  });
  done.wait();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
