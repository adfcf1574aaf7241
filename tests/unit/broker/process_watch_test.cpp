#include "broker/process_watch.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <optional>

#include "loop_fixture.hpp"

using namespace gpumodel;
using broker::ProcessWatch;
using broker::asio::posix::stream_descriptor;

namespace {

// A child that waits to be killed.
struct Child {
  Child() {
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ~Child() { end(); }
  void end() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = 0;
  }
  os::Fd handle() const { return os::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

  pid_t pid = ::fork();
};

// The reading end of a pipe in which something is.
int readable() {
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  BOOST_REQUIRE(::write(ends[1], "x", 1) == 1);
  ::close(ends[1]);
  return ends[0];
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(process_watch, test::LoopFixture)

BOOST_AUTO_TEST_CASE(an_end_is_told_once_also_one_before_the_watch) {
  Child child;
  int ends = 0;
  ProcessWatch watch(io);
  watch.start(child.handle(), [&] { ++ends; });
  io.run_for(std::chrono::milliseconds(20));
  BOOST_TEST(ends == 0);
  os::Fd again = child.handle();
  child.end();
  BOOST_TEST(run_until([&] { return ends == 1; }));
  ProcessWatch late(io);
  late.start(std::move(again), [&] { ++ends; });
  BOOST_TEST(run_until([&] { return ends == 2; }));
}

BOOST_AUTO_TEST_CASE(nothing_is_told_after_a_stop_and_a_watch_may_go_with_its_news) {
  Child stopped;
  int ends = 0;
  ProcessWatch watch(io);
  watch.start(stopped.handle(), [&] { ++ends; });
  watch.stop();
  stopped.end();
  Child child;
  auto owned = std::make_optional<ProcessWatch>(io);
  owned->start(child.handle(), [&] { owned.reset(); });
  child.end();
  BOOST_TEST(run_until([&] { return !owned.has_value(); }));
  BOOST_TEST(ends == 0);
}

// Two descriptors become readable in one round of the loop; the handler of whichever comes first
// closes the other, whose queued wake-up then finds the watch.
BOOST_AUTO_TEST_CASE(a_wake_up_for_a_closed_descriptor_is_not_an_end) {
  for (int round = 0; round < 50; ++round) {
    Child child;
    bool ended = false;
    bool started = false;
    ProcessWatch watch(io);
    stream_descriptor first(io, readable());
    stream_descriptor second(io, readable());
    const auto on_ready = [&](stream_descriptor& other) {
      return [&](const boost::system::error_code& error) {
        if (error || started) return;
        started = true;
        other.close();
        watch.start(child.handle(), [&] { ended = true; });
      };
    };
    first.async_wait(stream_descriptor::wait_read, on_ready(second));
    second.async_wait(stream_descriptor::wait_read, on_ready(first));
    io.restart();
    io.run_for(std::chrono::milliseconds(5));
    BOOST_TEST(started);
    BOOST_TEST(!ended);
    child.end();
    BOOST_TEST(run_until([&] { return ended; }));
  }
}

BOOST_AUTO_TEST_SUITE_END()
