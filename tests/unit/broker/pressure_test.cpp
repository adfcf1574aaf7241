#include "broker/pressure.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "loop_fixture.hpp"

using namespace gpumodel;

BOOST_FIXTURE_TEST_SUITE(pressure, test::LoopFixture)

// Out-of-band data on a socket is what a trigger's readiness is to epoll: priority data.
BOOST_AUTO_TEST_CASE(each_firing_of_the_trigger_is_told) {
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  os::Fd kernel(ends[0]);
  int fired = 0;
  broker::PressureWatch watch(io, os::Fd(ends[1]), [&] { ++fired; });
  const auto fire = [&] { return ::send(kernel.get(), "!", 1, MSG_OOB) == 1; };
  BOOST_REQUIRE(fire());  // Linux 5.15
  BOOST_TEST(run_until([&] { return fired == 1; }));
  BOOST_REQUIRE(fire());
  BOOST_TEST(run_until([&] { return fired == 2; }));
}

BOOST_AUTO_TEST_CASE(the_kernels_trigger_opens_or_says_why_not) {
  std::string why;
  const os::Fd trigger = broker::open_memory_pressure(why);
  BOOST_TEST(static_cast<bool>(trigger) == why.empty());
  if (!trigger) BOOST_TEST(why.rfind("/proc/pressure/memory: ", 0) == 0u);
}

BOOST_AUTO_TEST_CASE(kills_for_memory_are_told_once) {
  broker::OutOfMemoryKills kills;
  kills.happened();
  BOOST_TEST(!kills.happened());
}

BOOST_AUTO_TEST_SUITE_END()
