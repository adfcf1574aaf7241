#include "engine/model/slices.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <mutex>
#include <set>
#include <thread>

namespace model = gpumodel::engine::model;

namespace {

// As many slices as never end a test too early.
const std::vector<std::uint64_t> kSlices(64, 10);

// Runs all of kSlices on 4 threads, of which as many as `together` wait for each other in their
// first slice, so that it is certain that they run at once; how many different threads ran.
std::size_t threads_that_run(std::size_t together, bool gives_way) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  model::LoadOptions options;
  options.threads = 4;
  options.gives_way = [&] { return gives_way; };
  model::for_each_slice(kSlices, options, [&](std::size_t) {
    const auto count = [&] {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      return threads.size();
    };
    while (count() < together) std::this_thread::yield();
  });
  return threads.size();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(slices)

BOOST_AUTO_TEST_CASE(each_slice_is_worked_on_once_and_progress_ends_whole) {
  std::vector<std::atomic<int>> worked(kSlices.size());
  std::uint64_t last = 0;
  model::LoadOptions options;
  options.threads = 3;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    BOOST_TEST(done >= last);
    BOOST_TEST(total == 10 * kSlices.size());
    last = done;
  };
  model::for_each_slice(kSlices, options, [&](std::size_t number) { ++worked[number]; });
  for (const auto& count : worked) BOOST_TEST(count == 1);
  BOOST_TEST(last == 10 * kSlices.size());
}

BOOST_AUTO_TEST_CASE(all_threads_work_and_half_of_them_where_they_give_way) {
  BOOST_TEST(threads_that_run(4, false) == 4u);
  BOOST_TEST(threads_that_run(2, true) == 2u);
}

BOOST_AUTO_TEST_CASE(one_thread_never_gives_way) {
  std::size_t done = 0;
  model::LoadOptions options;
  options.gives_way = [] { return true; };
  model::for_each_slice(kSlices, options, [&](std::size_t) { ++done; });
  BOOST_TEST(done == kSlices.size());
}

BOOST_AUTO_TEST_CASE(a_stop_lets_no_further_slice_begin) {
  std::stop_source source;
  std::atomic<std::size_t> begun_after{0};
  model::LoadOptions options;
  options.threads = 4;
  options.stop = source.get_token();
  BOOST_CHECK_THROW(model::for_each_slice(kSlices, options,
                                          [&](std::size_t) {
                                            if (source.stop_requested()) ++begun_after;
                                            source.request_stop();
                                          }),
                    model::LoadInterrupted);
  // The other threads may be between their look and their slice.
  BOOST_TEST(begun_after < 4u);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_threads_that_give_way) {
  std::stop_source source;
  model::LoadOptions options;
  options.threads = 2;
  options.stop = source.get_token();
  options.gives_way = [] { return true; };
  BOOST_CHECK_THROW(
      model::for_each_slice(kSlices, options, [&](std::size_t) { source.request_stop(); }),
      model::LoadInterrupted);
}

BOOST_AUTO_TEST_CASE(the_first_exception_ends_all_and_is_thrown) {
  std::atomic<std::size_t> begun{0};
  model::LoadOptions options;
  options.threads = 4;
  BOOST_CHECK_THROW(model::for_each_slice(kSlices, options,
                                          [&](std::size_t) {
                                            ++begun;
                                            throw std::length_error("no");
                                          }),
                    std::length_error);
  BOOST_TEST(begun <= 4u);
}

BOOST_AUTO_TEST_CASE(nothing_to_do_is_done_at_once) {
  std::uint64_t reported = 1;
  model::LoadOptions options;
  options.threads = 4;
  options.progress = [&](std::uint64_t done, std::uint64_t total) { reported = done + total; };
  model::for_each_slice({}, options, [](std::size_t) { BOOST_ERROR("a slice"); });
  BOOST_TEST(reported == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
