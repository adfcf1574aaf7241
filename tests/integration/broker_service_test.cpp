// gpumodeld as a service: command line, sockets, the service manager, signals, and its size.
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

int listening_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  BOOST_REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  BOOST_REQUIRE(::listen(fd, 8) == 0);
  return fd;
}

}  // namespace

struct ServiceFixture : DaemonFixture {
  int run(const std::vector<std::string>& arguments) {
    spawn(arguments);
    return wait_exit();
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_service, ServiceFixture)

BOOST_AUTO_TEST_CASE(a_wrong_configuration_is_status_2_and_says_where) {
  std::ofstream(path("g.toml")) << "[daemon]\nsokcet = \"/x\"\n";
  for (const bool check : {true, false}) {
    std::vector<std::string> arguments{"--config", path("g.toml")};
    if (check) arguments.push_back("--check-config");
    BOOST_TEST(run(arguments) == 2);
  }
  BOOST_TEST(
      log().find(path("g.toml") + ":2: daemon.sokcet: unknown key; did you mean \"socket\"?") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_missing_configuration_is_status_2_and_named) {
  BOOST_TEST(run({"--config", path("none.toml")}) == 2);
  BOOST_TEST(log().find(path("none.toml")) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_good_configuration_is_checked_without_serving) {
  std::ofstream(path("g.toml")) << config_text("", "");
  BOOST_TEST(run({"--config", path("g.toml"), "--check-config"}) == 0);
  BOOST_TEST(::access(socket().c_str(), F_OK) != 0);
}

BOOST_AUTO_TEST_CASE(the_command_line) {
  BOOST_TEST(run({"--version"}) == 0);
  BOOST_TEST(log().find("gpumodeld 1.") != std::string::npos);
  BOOST_TEST(run({"--help"}) == 0);
  BOOST_TEST(run({"--no-such-option"}) == 2);
  BOOST_TEST(run({"--log-level", "loud"}) == 2);
}

BOOST_AUTO_TEST_CASE(the_socket_has_its_mode_and_goes_at_the_end) {
  start("", "socket_mode = \"0600\"");
  struct stat info {};
  BOOST_REQUIRE(::stat(socket().c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600u);
  signal(SIGTERM);
  BOOST_TEST(next_notification().find("STOPPING=1") != std::string::npos);
  BOOST_TEST(wait_exit() == 0);
  BOOST_TEST(::access(socket().c_str(), F_OK) != 0);
}

BOOST_AUTO_TEST_CASE(a_socket_that_somebody_serves_is_left_alone) {
  const int fd = listening_socket(socket());
  std::ofstream(path("g.toml")) << config_text("", "");
  BOOST_TEST(run({"--config", path("g.toml")}) == 1);
  BOOST_TEST(log().find("another daemon serves this socket") != std::string::npos);
  ::close(fd);
}

BOOST_AUTO_TEST_CASE(a_file_in_the_sockets_place_is_left_alone) {
  std::ofstream(socket()) << "precious";
  std::ofstream(path("g.toml")) << config_text("", "");
  BOOST_TEST(run({"--config", path("g.toml")}) == 1);
  BOOST_TEST(::access(socket().c_str(), F_OK) == 0);
}

BOOST_AUTO_TEST_CASE(a_socket_from_the_service_manager_is_served_and_left) {
  const int fd = listening_socket(path("activated.sock"));
  std::ofstream(path("g.toml")) << config_text("", "");
  spawn({"--config", path("g.toml")}, fd);
  wait_ready();
  BOOST_TEST(WireClient(path("activated.sock")).hello().protocol == 1);
  BOOST_TEST(::access(socket().c_str(), F_OK) != 0);
  signal(SIGTERM);
  BOOST_TEST(wait_exit() == 0);
  BOOST_TEST(::access(path("activated.sock").c_str(), F_OK) == 0);
  ::close(fd);
}

BOOST_AUTO_TEST_CASE(draining_lets_generations_end_and_refuses_new_work) {
  model("m", R"({"token_ms": 20})");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const auto running = peer.generate(lease, "alpha", 20, /*stream=*/true);
  BOOST_TEST(peer.read_frame().method == "generate.chunk");
  const pid_t engine = engine_pid();
  signal(SIGTERM);
  BOOST_TEST(next_notification().find("STOPPING=1") != std::string::npos);
  BOOST_TEST((peer.wait(peer.generate(lease, "alpha", 1)).error().code == Code::draining));
  BOOST_TEST(
      (peer.ask("lease.acquire", wire::AcquireParams{{"m"}}).error().code == Code::draining));
  BOOST_TEST(status().daemon.draining);
  BOOST_TEST(peer.wait(running).result<wire::GenerateResult>().finish == "length");
  BOOST_TEST(wait_exit() == 0);
  BOOST_TEST(!is_alive(engine));
}

BOOST_AUTO_TEST_CASE(draining_answers_a_release_when_its_memory_is_free) {
  model("m", R"({"token_ms": 20, "unload_ms": 400})");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const auto running = peer.generate(lease, "alpha", 5);
  signal(SIGTERM);
  BOOST_TEST(peer.wait(running).result<wire::GenerateResult>().finish == "length");
  const Answer released = peer.ask("lease.release", wire::ReleaseParams{lease.lease, lease.epoch});
  BOOST_REQUIRE(!released.failed());
  BOOST_TEST(released.result<wire::ReleaseResult>().outcome == "freed");
  BOOST_TEST(wait_exit() == 0);
}

BOOST_AUTO_TEST_CASE(draining_cancels_what_runs_too_long) {
  model("m", R"({"token_ms": 100})");
  start(kDevice, "drain_timeout = \"50ms\"");
  auto peer = client();
  const auto running = peer.generate(peer.acquire("m"), "alpha", 900);
  BOOST_TEST(status().leases.size() == 1u);
  signal(SIGINT);
  BOOST_TEST(peer.wait(running).result<wire::GenerateResult>().finish == "cancelled");
  BOOST_TEST(wait_exit() == 0);
}

BOOST_AUTO_TEST_CASE(a_second_signal_exits_at_once) {
  model("m", R"({"token_ms": 1000})");
  start();
  auto peer = client();
  peer.generate(peer.acquire("m"), "alpha", 900);
  BOOST_TEST(status().leases.size() == 1u);
  const pid_t engine = engine_pid();
  signal(SIGTERM);
  BOOST_TEST(next_notification().find("STOPPING=1") != std::string::npos);
  signal(SIGTERM);
  BOOST_TEST(wait_exit() == 0);
  BOOST_TEST(eventually([&] { return !is_alive(engine); }));
}

BOOST_AUTO_TEST_CASE(an_engine_with_nothing_resident_stops_after_its_grace) {
  model("m", "{}");
  start(kDevice, "engine_grace = \"50ms\"");
  auto peer = client();
  const auto lease = peer.acquire("m");
  const pid_t engine = engine_pid();
  BOOST_TEST(is_alive(engine));
  peer.release(lease);
  BOOST_TEST(eventually([&] { return !is_alive(engine); }));
  BOOST_TEST(eventually([&] { return status().devices.at(0).engine.state == "stopped"; }));
  BOOST_TEST(peer.acquire("m").model == "m");
}

BOOST_AUTO_TEST_CASE(without_an_engine_program_the_daemon_serves_degraded) {
  model("m", "{}");
  ::unlink(path("bin/gpumodel-engine").c_str());
  start();
  auto peer = client();
  const Answer answer = peer.ask("lease.acquire", wire::AcquireParams{{"m"}});
  BOOST_REQUIRE(answer.failed());
  BOOST_TEST((answer.error().code == Code::device));
  BOOST_TEST(log().find("it could not be executed") != std::string::npos);
  BOOST_TEST(status().devices.at(0).state == "failed");
}

BOOST_AUTO_TEST_CASE(an_idle_broker_stays_small,
                     *boost::unit_test::precondition(without_sanitizer)) {
  model("m", "{}");
  start();
  {
    auto peer = client();
    const auto lease = peer.acquire("m");
    peer.wait(peer.generate(lease, "alpha", 100));
    peer.release(lease);
  }
  BOOST_TEST(eventually([&] { return status().leases.empty(); }));
  BOOST_TEST(resident_bytes(pid()) < 16u << 20);
}

BOOST_AUTO_TEST_CASE(the_service_manager_hears_what_there_is_and_that_the_daemon_works) {
  ::setenv("WATCHDOG_USEC", "100000", 1);
  model("m", R"({"load_ms": 0})");
  start();
  ::unsetenv("WATCHDOG_USEC");
  auto peer = client();
  peer.acquire("m");
  int fed = 0;
  std::string status;
  // Fed again and again, not once.
  while (fed < 5 || status.find("1 model ready") == std::string::npos) {
    const std::string word = next_word();
    if (word == "WATCHDOG=1") ++fed;
    if (word.starts_with("STATUS=")) status = word;
  }
  BOOST_TEST(status.find(" of 64 MiB, 1 lease") != std::string::npos, status);
}

BOOST_AUTO_TEST_SUITE_END()
