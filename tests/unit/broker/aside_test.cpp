#include "broker/aside.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include "loop_fixture.hpp"

using namespace gpumodel;
using broker::Aside;

namespace {

struct AsideFixture : test::LoopFixture {
  std::optional<std::string> run(Aside& aside, const std::function<std::string()>& work) {
    std::optional<std::string> result;
    bool done = false;
    aside.run(work, [&](std::optional<std::string> bytes) {
      result = std::move(bytes);
      done = true;
    });
    BOOST_TEST(!done);  // from the loop only
    BOOST_REQUIRE(run_until([&] { return done; }));
    return result;
  }
};

constexpr std::chrono::seconds kLong{60};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(aside, AsideFixture)

BOOST_AUTO_TEST_CASE(work_is_done_in_another_process_and_its_result_comes_back_whole) {
  Aside aside(io, kLong);
  BOOST_TEST(run(aside, [] { return std::to_string(::getpid()); }).value() !=
             std::to_string(::getpid()));
  BOOST_TEST(run(aside, [] { return std::string(); }).value().empty());
  const auto large = run(aside, [] { return std::string(1u << 20, 'x'); });
  BOOST_TEST((large == std::string(1u << 20, 'x')));
}

BOOST_AUTO_TEST_CASE(work_that_throws_or_dies_has_no_result) {
  Aside aside(io, kLong);
  BOOST_TEST(!run(aside, []() -> std::string { throw std::runtime_error("no"); }).has_value());
  BOOST_TEST(!run(aside, []() -> std::string { ::_exit(0); }).has_value());
}

BOOST_AUTO_TEST_CASE(work_that_takes_too_long_is_killed) {
  Aside aside(io, std::chrono::milliseconds(50));
  BOOST_TEST(!run(aside, []() -> std::string {
                for (;;) ::pause();
              }).has_value());
}

BOOST_AUTO_TEST_CASE(the_copy_holds_none_of_our_descriptors) {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  Aside aside(io, kLong);
  const auto result = run(aside, [fd = ends[1]] {
    return std::string(fd > 3 && ::write(fd, "x", 1) == 1 ? "open" : "closed");
  });
  BOOST_TEST(result.value() == "closed");
  ::close(ends[0]);
  ::close(ends[1]);
}

BOOST_AUTO_TEST_CASE(results_come_to_whom_they_belong) {
  Aside aside(io, kLong);
  std::string slow, fast;
  aside.run(
      [] {
        ::usleep(100'000);
        return std::string("slow");
      },
      [&](const std::optional<std::string>& result) { slow = result.value_or(""); });
  aside.run([] { return std::string("fast"); },
            [&](const std::optional<std::string>& result) { fast = result.value_or(""); });
  BOOST_TEST(run_until([&] { return !slow.empty() && !fast.empty(); }));
  BOOST_TEST(slow == "slow");
  BOOST_TEST(fast == "fast");
}

BOOST_AUTO_TEST_SUITE_END()
