#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

struct Heard {
  std::vector<gm_event> events;
  static void on_event(gm_client*, const gm_event* event, void* user) {
    static_cast<Heard*>(user)->events.push_back(*event);
  }
};

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

gm_status poll_until_settled(gm_lease* lease) {
  gm_status status = GM_AGAIN;
  while ((status = gm_lease_poll(lease)) == GM_AGAIN) pause_ms(1);
  return status;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(lease)

BOOST_AUTO_TEST_CASE(is_acquired_described_and_released) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.respond(c.expect("lease.release"), {{"outcome", "freed"},
                                          {"remaining_leases", 0},
                                          {"expected_bytes", 1000},
                                          {"freed_bytes", 990},
                                          {"residual_bytes", 10},
                                          {"unload_ms", 12}});
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  gm_lease_info info = GM_LEASE_INFO_INIT;
  BOOST_REQUIRE(gm_lease_get_info(lease.get(), &info) == GM_OK);
  BOOST_TEST(info.id == 7u);
  BOOST_TEST(info.epoch == 3u);
  BOOST_TEST(info.state == GM_LEASE_HELD);
  BOOST_TEST(info.context_tokens == 2048u);
  for (int again = 0; again < 2; ++again) {
    gm_release_report report = GM_RELEASE_REPORT_INIT;
    BOOST_TEST(gm_lease_release(lease.get(), GM_WAIT_FOREVER, &report) == GM_OK);
    BOOST_TEST(report.outcome == GM_RELEASE_FREED);
    BOOST_TEST(report.expected_bytes == 1000u);
    BOOST_TEST(report.freed_bytes == 990u);
    BOOST_TEST(report.residual_bytes == 10u);
    BOOST_TEST(report.unload_ms == 12u);
  }
  char* text = nullptr;
  BOOST_TEST(gm_complete(lease.get(), "x", nullptr, &text, nullptr) == GM_E_STATE);
  BOOST_TEST(std::string(last_error().message).find("concept was released") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_residual_fills_the_report) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.fail(c.expect("lease.release"), -48, "residual",
           {{"outcome", "freed"}, {"residual_bytes", 77}});
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  gm_release_report report = GM_RELEASE_REPORT_INIT;
  BOOST_TEST(gm_lease_release(lease.get(), -1, &report) == GM_E_RESIDUAL);
  BOOST_TEST(report.residual_bytes == 77u);
}

BOOST_AUTO_TEST_CASE(release_goes_on_after_its_limit) {
  std::atomic<bool> answer{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("lease.release");
    while (!answer) pause_ms(1);
    c.release(request);
    if (!c.closes()) throw std::runtime_error("released twice");
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  BOOST_TEST(gm_lease_release(lease.get(), 0, nullptr) == GM_AGAIN);
  BOOST_TEST(gm_lease_release(lease.get(), 20, nullptr) == GM_AGAIN);
  gm_request request = request_for("x");
  gm_stream* stream = nullptr;
  BOOST_TEST(gm_generate(lease.get(), &request, &stream) == GM_E_STATE);
  answer = true;
  gm_release_report report = GM_RELEASE_REPORT_INIT;
  BOOST_TEST(gm_lease_release(lease.get(), -1, &report) == GM_OK);
  BOOST_TEST(report.outcome == GM_RELEASE_KEPT);
  client.reset();
  lease.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(progress_reaches_on_event) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming request = c.expect("lease.acquire");
    if (!request.params.at("progress").get<bool>())
      throw std::runtime_error("no progress asked for");
    c.notify("lease.progress",
             {{"request", request.id}, {"phase", "queued"}, {"position", 2}, {"eta_ms", 900}});
    pause_ms(30);
    c.notify("lease.progress", {{"request", request.id}, {"phase", "loading"}, {"fraction", 0.5}});
    pause_ms(30);
    c.grant(request);
    c.closes();
  });
  Heard heard;
  gm_client_options options = options_for(daemon);
  options.on_event = Heard::on_event;
  options.user = &heard;
  auto client = open_client(options);
  auto lease = acquire(client);
  BOOST_REQUIRE(heard.events.size() == 2u);
  BOOST_TEST(heard.events[0].type == GM_EVENT_QUEUED);
  BOOST_TEST(heard.events[0].position == 2u);
  BOOST_TEST(heard.events[0].eta_ms == 900u);
  BOOST_TEST(heard.events[0].lease == nullptr);
  BOOST_TEST(heard.events[1].type == GM_EVENT_LOADING);
  BOOST_TEST(heard.events[1].fraction == 0.5f);
}

BOOST_AUTO_TEST_CASE(a_callback_may_call) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming request = c.expect("lease.acquire");
    c.notify("lease.progress", {{"request", request.id}, {"phase", "queued"}, {"position", 1}});
    c.respond(c.expect("models"), {{"models", json::array()}});
    c.grant(request);
    c.closes();
  });
  gm_status inner = -1;
  gm_client_options options = options_for(daemon);
  options.user = &inner;
  options.on_event = [](gm_client* client, const gm_event* event, void* user) {
    if (event->type != GM_EVENT_QUEUED) return;
    gm_models* models = nullptr;
    *static_cast<gm_status*>(user) = gm_models_get(client, -1, &models);
    gm_models_free(models);
  };
  auto client = open_client(options);
  auto lease = acquire(client);
  BOOST_TEST(inner == GM_OK);
}

BOOST_AUTO_TEST_CASE(begin_and_poll_do_not_block) {
  std::atomic<bool> go{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet();
    const Incoming request = c.expect("lease.acquire");
    while (!go) pause_ms(1);
    c.grant(request);
    c.closes();
  });
  auto client = open_client(daemon);
  const char* names[] = {"a", "b"};
  gm_lease* raw[2];
  BOOST_REQUIRE(gm_lease_begin(client.get(), names, 2, nullptr, raw) == GM_OK);
  Owned<gm_lease> first(raw[0]), second(raw[1]);
  BOOST_TEST(gm_lease_poll(raw[0]) == GM_AGAIN);
  gm_lease_info info = GM_LEASE_INFO_INIT;
  gm_lease_get_info(raw[0], &info);
  BOOST_TEST(info.state == GM_LEASE_PENDING);
  char* text = nullptr;
  BOOST_TEST(gm_complete(raw[0], "x", nullptr, &text, nullptr) == GM_E_STATE);
  go = true;
  BOOST_TEST(poll_until_settled(raw[1]) == GM_OK);
  BOOST_TEST(gm_lease_poll(raw[0]) == GM_OK);
  gm_lease_get_info(raw[1], &info);
  BOOST_TEST(info.id == 8u);
}

BOOST_AUTO_TEST_CASE(a_refused_set_says_so_for_each) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.fail(c.expect("lease.acquire"), -43, "busy");
    c.closes();
  });
  auto client = open_client(daemon);
  const char* names[] = {"a", "b"};
  gm_lease* raw[2];
  BOOST_REQUIRE(gm_lease_begin(client.get(), names, 2, nullptr, raw) == GM_OK);
  Owned<gm_lease> first(raw[0]), second(raw[1]);
  BOOST_TEST(poll_until_settled(raw[0]) == GM_E_BUSY);
  first.reset();
  BOOST_TEST(gm_lease_poll(raw[1]) == GM_E_BUSY);
  BOOST_TEST(std::string(last_error().message) == "fake: busy");
}

BOOST_AUTO_TEST_CASE(giving_up_a_pending_set_cancels_it) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming request = c.expect("lease.acquire");
    const Incoming cancel = c.expect("cancel");
    if (cancel.params.at("request") != request.id)
      throw std::runtime_error("another request cancelled");
    c.fail(request, -5, "interrupted");
    if (!c.closes()) throw std::runtime_error("more than a cancel");
  });
  auto client = open_client(daemon);
  const char* names[] = {"a", "b"};
  gm_lease* raw[2];
  BOOST_REQUIRE(gm_lease_begin(client.get(), names, 2, nullptr, raw) == GM_OK);
  gm_lease_free(raw[0]);
  gm_lease_free(raw[1]);
  while (gm_client_dispatch(client.get(), 1000) == GM_AGAIN) continue;
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(a_grant_that_races_with_the_cancel_is_released) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming request = c.expect("lease.acquire");
    c.expect("cancel");
    c.grant(request);                            // it was on its way
    const Incoming models = c.expect("models");  // sent before the grant was read
    const Incoming first = c.expect("lease.release");
    const Incoming second = c.expect("lease.release");
    if (first.params.at("lease") != 7 || second.params.at("lease") != 8)
      throw std::runtime_error("wrong leases");
    c.release(second);
    c.release(first);
    c.respond(models, {{"models", json::array()}});
    c.closes();
  });
  auto client = open_client(daemon);
  const char* names[] = {"a", "b"};
  gm_lease* raw[2] = {nullptr, nullptr};
  gm_client_interrupt(client.get());
  BOOST_TEST(gm_lease_acquire_all(client.get(), names, 2, nullptr, raw) == GM_E_INTERRUPTED);
  BOOST_TEST(raw[0] == nullptr);
  BOOST_TEST(last_error().status == GM_E_INTERRUPTED);
  gm_models* models = nullptr;
  BOOST_TEST(gm_models_get(client.get(), -1, &models) == GM_OK);
  gm_models_free(models);
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(half_a_set_given_up_is_released_when_granted) {
  std::atomic<bool> go{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet();
    const Incoming request = c.expect("lease.acquire");
    while (!go) pause_ms(1);
    c.grant(request);
    const Incoming release = c.expect("lease.release");
    if (release.params.at("lease") != 7) throw std::runtime_error("the wrong lease");
    c.release(release);
    c.closes();
  });
  auto client = open_client(daemon);
  const char* names[] = {"a", "b"};
  gm_lease* raw[2];
  BOOST_REQUIRE(gm_lease_begin(client.get(), names, 2, nullptr, raw) == GM_OK);
  gm_lease_free(raw[0]);
  go = true;
  BOOST_TEST(poll_until_settled(raw[1]) == GM_OK);
  client.reset();
  gm_lease_free(raw[1]);
  daemon.join();
}

BOOST_AUTO_TEST_CASE(disconnection_is_an_event_and_an_answer) {
  FakeDaemon daemon([](Connection& c) { c.greet_and_grant(); });
  Heard heard;
  gm_client_options options = options_for(daemon);
  options.on_event = Heard::on_event;
  options.user = &heard;
  auto client = open_client(options);
  auto lease = acquire(client);
  daemon.join();
  BOOST_TEST(gm_lease_release(lease.get(), -1, nullptr) == GM_E_DISCONNECTED);
  BOOST_REQUIRE(heard.events.size() == 1u);
  BOOST_TEST(heard.events[0].type == GM_EVENT_DISCONNECTED);
  gm_lease* other = nullptr;
  BOOST_TEST(gm_lease_acquire(client.get(), "a", nullptr, &other) == GM_E_DISCONNECTED);
  BOOST_TEST(gm_client_dispatch(client.get(), -1) == GM_E_DISCONNECTED);
  BOOST_TEST(gm_client_poll_timeout(client.get()) == -1);
  BOOST_TEST(heard.events.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
