// Deaths: of clients at every stage, of engines and probes, of the broker itself. What must remain
// is served.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <functional>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;

namespace {

constexpr const char* kQuickForty = R"({"tensor_bytes": 41943040, "token_ms": 1})";

// A client process that does `work` and is then killed without a word, like a crashed program.
class Victim {
 public:
  explicit Victim(const std::function<void()>& work) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    pid_ = ::fork();
    if (pid_ == 0) {
      try {
        work();
      } catch (const std::exception&) {
        ::_exit(1);
      }
      [[maybe_unused]] const auto told = ::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte = 0;
    works_ = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
  }
  ~Victim() { kill(); }
  bool works() const { return works_; }
  void kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  bool works_ = false;
};

}  // namespace

struct FailureFixture : DaemonFixture {
  bool nothing_is_left() {
    return eventually([&] {
      const auto now = status();
      return now.leases.empty() && now.queue.empty() && now.devices.at(0).used_bytes == 0;
    });
  }
};

BOOST_FIXTURE_TEST_SUITE(broker_failure, FailureFixture)

BOOST_AUTO_TEST_CASE(a_client_killed_after_hello_leaves_nothing) {
  model("m", kQuickForty);
  start();
  Victim victim([&] { (new WireClient(socket()))->hello(); });
  BOOST_REQUIRE(victim.works());
  victim.kill();
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_client_killed_while_it_waits_leaves_the_queue) {
  model("a", kQuickForty);
  model("b", kQuickForty);
  start();
  auto holder = client();
  const auto lease = holder.acquire("a");
  Victim victim(
      [&] { (new WireClient(socket()))->send("lease.acquire", wire::AcquireParams{{"b"}}); });
  BOOST_REQUIRE(victim.works());
  BOOST_REQUIRE(eventually([&] { return status().queue.size() == 1; }));
  victim.kill();
  BOOST_TEST(eventually([&] { return status().queue.empty(); }));
  BOOST_TEST(holder.release(lease).outcome == "freed");
}

BOOST_AUTO_TEST_CASE(a_client_killed_while_its_model_loads_stops_the_load) {
  model("m", R"({"tensor_bytes": 41943040, "load_ms": 600000})");
  start();
  Victim victim(
      [&] { (new WireClient(socket()))->send("lease.acquire", wire::AcquireParams{{"m"}}); });
  BOOST_REQUIRE(victim.works());
  BOOST_REQUIRE(eventually([&] { return model_row("m").state == "loading"; }));
  victim.kill();
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_client_killed_with_a_lease_frees_its_model) {
  model("m", kQuickForty);
  start();
  Victim victim([&] { (new WireClient(socket()))->acquire("m"); });
  BOOST_REQUIRE(victim.works());
  BOOST_TEST(status().leases.size() == 1u);
  victim.kill();
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_client_killed_while_generating_stops_the_engine) {
  model("m", kQuickForty, "auto_unload = false");
  start();
  Victim victim([&] {
    auto* peer = new WireClient(socket());
    peer->generate(peer->acquire("m"), "alpha", 900, true);
    peer->read_frame();
  });
  BOOST_REQUIRE(victim.works());
  victim.kill();
  BOOST_TEST(eventually([&] { return status().leases.empty(); }));
  auto peer = client();
  BOOST_TEST(
      peer.wait(peer.generate(peer.acquire("m"), "a", 2)).result<wire::GenerateResult>().finish ==
      "length");
}

BOOST_AUTO_TEST_CASE(a_client_killed_while_releasing_is_released) {
  model("m", R"({"tensor_bytes": 41943040, "unload_ms": 50})");
  start();
  Victim victim([&] {
    auto* peer = new WireClient(socket());
    const auto lease = peer->acquire("m");
    peer->send("lease.release", wire::ReleaseParams{lease.lease, lease.epoch});
  });
  BOOST_REQUIRE(victim.works());
  victim.kill();
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_CASE(a_forked_child_that_keeps_the_socket_does_not_keep_the_lease) {
  model("m", kQuickForty);
  start();
  int child_pipe[2];
  BOOST_REQUIRE(::pipe2(child_pipe, O_CLOEXEC) == 0);
  Victim victim([&] {
    auto* peer = new WireClient(socket());
    peer->acquire("m");
    const pid_t child = ::fork();  // inherits the connection
    if (child == 0)
      for (;;) ::pause();
    [[maybe_unused]] const auto told = ::write(child_pipe[1], &child, sizeof child);
  });
  pid_t child = 0;
  BOOST_REQUIRE(::read(child_pipe[0], &child, sizeof child) == sizeof child);
  BOOST_REQUIRE(victim.works());
  victim.kill();
  BOOST_TEST(nothing_is_left());
  BOOST_TEST(is_alive(child));
  ::kill(child, SIGKILL);
  ::close(child_pipe[0]);
  ::close(child_pipe[1]);
}

BOOST_AUTO_TEST_CASE(an_engine_that_dies_while_loading_is_started_again_until_the_device_fails) {
  model("m", R"({"fail": "crash"})");
  start();
  auto peer = client();
  const Answer answer = peer.ask("lease.acquire", wire::AcquireParams{{"m"}});
  BOOST_REQUIRE(answer.failed());
  BOOST_TEST((answer.error().code == Code::device), answer.error().message);
  const auto device = status().devices.at(0);
  BOOST_TEST(device.state == "failed");
  BOOST_TEST(device.used_bytes == 0u);
  BOOST_TEST(log().find("engine lost too often") != std::string::npos);
  BOOST_TEST(client().hello().protocol == 1);
}

BOOST_AUTO_TEST_CASE(an_engine_that_dies_while_generating_fails_only_what_ran) {
  model("m", "{}", "auto_unload = false");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const pid_t first = engine_pid();
  const Answer answer = peer.wait(peer.generate(lease, "crash", 5));
  BOOST_TEST((answer.error().code == Code::engine_lost));
  BOOST_TEST(answer.error().retryable);
  BOOST_TEST(!is_alive(first));
  // The lease lives; the next generation waits for the model to come back.
  const auto result = peer.wait(peer.generate(lease, "alpha", 2)).result<wire::GenerateResult>();
  BOOST_TEST(result.text.value() == "1:alpha 2:alpha ");
  BOOST_TEST(engine_pid() != first);
  BOOST_TEST(status().devices.at(0).engine.restarts == 1u);
}

BOOST_AUTO_TEST_CASE(
    a_generation_that_waits_for_a_lost_model_keeps_its_deadline_and_can_be_cancelled) {
  model("m", R"({"load_ms": 0})", "auto_unload = false");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  write_fake("m", R"({"load_ms": 0, "fail": ""})");
  ::kill(engine_pid(), SIGKILL);
  BOOST_REQUIRE(eventually([&] { return engine_pid() == 0; }));
  wire::GenerateParams params;
  params.lease = lease.lease;
  params.epoch = lease.epoch;
  params.generation.prompt = "alpha";
  params.generation.max_tokens = 1;
  params.generation.deadline_ms = 20;  // the back-off is longer
  BOOST_TEST(peer.call<wire::GenerateResult>("generate", params).finish == "deadline");
  params.generation.deadline_ms = 0;
  const auto id = peer.send("generate", params);
  peer.cancel(id);
  BOOST_TEST(peer.wait(id).result<wire::GenerateResult>().finish == "cancelled");
}

BOOST_AUTO_TEST_CASE(three_losses_fail_the_device_and_everyone_is_told) {
  model("m", "{}", "auto_unload = false");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  for (int loss = 0; loss < 3; ++loss)
    BOOST_TEST((peer.wait(peer.generate(lease, "crash", 1)).error().code == Code::engine_lost));
  BOOST_TEST(eventually([&] { return status().devices.at(0).state == "failed"; }));
  const Answer answer = peer.ask("lease.acquire", wire::AcquireParams{{"m"}});
  BOOST_REQUIRE(answer.failed());
  BOOST_TEST((answer.error().code == Code::device));
}

BOOST_AUTO_TEST_CASE(a_lost_probe_answers_its_requests_and_comes_back) {
  model("m", R"({"inspect_ms": 600000})");
  start();
  auto peer = client();
  const auto id = peer.send("lease.acquire", wire::AcquireParams{{"m"}});
  const auto children = [&] {
    std::ifstream file("/proc/" + std::to_string(pid()) + "/task/" + std::to_string(pid()) +
                       "/children");
    pid_t child = 0;
    file >> child;
    return child;
  };
  const pid_t probe = children();
  BOOST_REQUIRE(probe != 0);
  // Its answer to a later request proves that the acquire has reached the broker before the kill.
  status();
  ::kill(probe, SIGKILL);
  BOOST_TEST((peer.wait(id).error().code == Code::engine_lost));
  write_fake("m", "{}");
  BOOST_TEST(eventually([&] { return children() != 0 && children() != probe; }));
  BOOST_TEST(
      eventually([&] { return !peer.ask("lease.acquire", wire::AcquireParams{{"m"}}).failed(); }));
}

BOOST_AUTO_TEST_CASE(engines_die_with_a_killed_broker) {
  model("m", "{}");
  start();
  auto peer = client();
  peer.acquire("m");
  const pid_t engine = engine_pid();
  BOOST_REQUIRE(is_alive(engine));
  signal(SIGKILL);
  BOOST_TEST(wait_exit() == 128 + SIGKILL);
  BOOST_TEST(eventually([&] { return !is_alive(engine); }));
  // Its stale socket is replaced by the next one.
  start();
  BOOST_TEST(client().hello().protocol == 1);
}

BOOST_AUTO_TEST_CASE(an_engine_that_hangs_is_killed_and_the_lease_goes_on) {
  model("m", kQuickForty);
  start(kDevice, "hang_timeout = \"400ms\"");
  auto peer = client();
  const auto lease = peer.acquire("m");
  const std::map<std::string, std::string> reasons{{"freeze", "it has not answered for"},
                                                   {"stall", "one step has taken"}};
  for (const auto& [prompt, reason] : reasons) {
    const pid_t before = engine_pid();
    const Answer answer = peer.wait(peer.generate(lease, prompt, 5));
    BOOST_TEST((answer.error().code == Code::engine_lost), prompt);
    BOOST_TEST(eventually([&] { return log().find(reason) != std::string::npos; }), prompt);
    BOOST_TEST(!peer.wait(peer.generate(lease, "hello", 1)).failed(), prompt);
    BOOST_TEST(engine_pid() != before);
  }
}

BOOST_AUTO_TEST_SUITE_END()
