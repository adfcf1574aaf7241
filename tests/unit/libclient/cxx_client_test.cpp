// gpumodel.hpp: connections, reports, events, a program's own loop.
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <gpumodel.hpp>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "cxx_support.hpp"

using namespace gpumodel::test;
using namespace std::chrono_literals;

static_assert(std::is_nothrow_move_constructible_v<gpumodel::Client>);
static_assert(std::is_nothrow_move_assignable_v<gpumodel::Client>);
static_assert(!std::is_copy_constructible_v<gpumodel::Client>);
static_assert(std::is_nothrow_copy_constructible_v<gpumodel::Error>);

namespace {

void answer_models(Connection& c, const json& rows = json::array()) {
  c.respond(c.expect("models"), {{"models", rows}});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cxx_client)

BOOST_AUTO_TEST_CASE(says_hello_as_its_options_say) {
  FakeDaemon daemon([](Connection& c) {
    const Incoming hello = c.greet();
    if (hello.params.at("app") != "tester") throw std::runtime_error("another name");
    if (!c.closes()) throw std::runtime_error("more than hello");
  });
  gpumodel::Client client = gpumodel::Client::open(cxx_options(daemon));
  BOOST_TEST(bool(client));
  BOOST_TEST(client.fd() == gm_client_fd(client.handle()));
  gpumodel::Client moved = std::move(client);
  BOOST_TEST(!client);  // NOLINT: what is left behind is empty
  BOOST_TEST(bool(moved));
  moved.close();
  BOOST_TEST(!moved);
  daemon.join();
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_is_thrown_or_given) {
  gpumodel::ClientOptions options;
  options.socket_path = "/nonexistent/api.sock";
  const auto given = gpumodel::Client::try_open(options);
  BOOST_REQUIRE(!given.has_value());
  BOOST_TEST(given.error().code() == GM_E_NO_DAEMON);
  BOOST_TEST(given.error().sys_errno() == ENOENT);
  BOOST_TEST(given.error().message().find("/nonexistent/api.sock") != std::string_view::npos);
  BOOST_CHECK_EXCEPTION(gpumodel::Client::open(options), gpumodel::Error,
                        [](const gpumodel::Error& e) { return e.code() == GM_E_NO_DAEMON; });
  options.timeout = 0ms;
  BOOST_TEST(gpumodel::Client::try_open(options).error().code() == GM_E_INVALID);
  options = {};
  options.app_name = std::string("a\0b", 3);
  const auto cut = gpumodel::Client::try_open(options);
  BOOST_REQUIRE(!cut.has_value());
  BOOST_TEST(cut.error().what() == std::string("GM_E_INVALID: app_name holds a NUL byte"));
}

BOOST_AUTO_TEST_CASE(an_empty_one_answers_invalid) {
  gpumodel::Client client;
  BOOST_TEST(client.fd() == -1);
  BOOST_TEST(client.poll_timeout() == -1);
  client.interrupt();
  client.close();
  BOOST_TEST(client.try_models().error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_dispatch().error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_subscribe().error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_call_json("status").error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_acquire("a").error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_begin({"a"}).error().code() == GM_E_INVALID);
  gpumodel::Lease lease;
  BOOST_TEST(lease.try_poll().error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_info().error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_release().error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_complete("x").error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_chat({{"user", "x"}}).error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_stream("x").error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_render("[]").error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_tokenize("x").error().code() == GM_E_INVALID);
  BOOST_TEST(lease.try_detokenize({1}).error().code() == GM_E_INVALID);
  gpumodel::Stream stream;
  gpumodel::Chunk chunk;
  BOOST_TEST(stream.try_next(chunk).error().code() == GM_E_INVALID);
  BOOST_TEST(stream.try_cancel().error().code() == GM_E_INVALID);
  BOOST_TEST(stream.try_summary().error().code() == GM_E_INVALID);
  BOOST_TEST(stream.try_read_all().error().code() == GM_E_INVALID);
}

BOOST_AUTO_TEST_CASE(an_error_carries_the_daemons_detail) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.fail(c.expect("lease.acquire"), -40, "no_model",
           {{"near", {"a\",\"detail\":1,\"retryable\":2"}}});
    c.fail(c.expect("lease.acquire"), -777, "later");
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  try {
    client.acquire("concpt");
    BOOST_ERROR("it was granted");
  } catch (const std::exception& caught) {
    const auto& error = dynamic_cast<const gpumodel::Error&>(caught);
    BOOST_TEST(error.code() == GM_E_NO_MODEL);
    BOOST_TEST(error.what() == std::string("GM_E_NO_MODEL: fake: no_model"));
    BOOST_TEST(error.message() == "fake: no_model");
    BOOST_TEST(
        (json::parse(error.detail()) == json{{"near", {"a\",\"detail\":1,\"retryable\":2"}}}));
    BOOST_TEST(error.retryable());
    BOOST_TEST((error.retry_after() == 250ms));
    BOOST_TEST(!error.report().has_value());
  }
  const auto later = client.try_acquire("a");
  BOOST_TEST(later.error().code() == -777);
  BOOST_TEST(later.error().detail() == "null");
  BOOST_TEST(gpumodel::code_name(GM_E_BUSY) == std::string("GM_E_BUSY"));
  BOOST_TEST(gpumodel::code_text(GM_E_BUSY) == std::string(gm_status_text(GM_E_BUSY)));
  BOOST_TEST(gpumodel::library_version() == gm_version());
}

BOOST_AUTO_TEST_CASE(a_result_is_a_value_or_an_error) {
  gpumodel::Result<std::string> text(std::string("x"));
  BOOST_TEST((text && *text == "x" && text->size() == 1u && text.value() == "x"));
  const std::string taken = *std::move(text);
  BOOST_TEST(taken == "x");
  const gpumodel::Result<std::string> failed(gpumodel::Error(GM_E_BUSY, "not now"));
  BOOST_TEST(!failed);
  BOOST_CHECK_THROW(failed.value(), gpumodel::Error);
  const gpumodel::Result<void> good, bad(gpumodel::Error(GM_E_BUSY, "not now"));
  BOOST_TEST((good && !bad));
  good.value();
  BOOST_CHECK_THROW(bad.value(), gpumodel::Error);
}

BOOST_AUTO_TEST_CASE(a_timeout_is_rounded_up_and_never_negative) {
  BOOST_TEST(gpumodel::kWaitForever.ms() == GM_WAIT_FOREVER);
  BOOST_TEST(gpumodel::Timeout(5s).ms() == 5000);
  BOOST_TEST(gpumodel::Timeout(100us).ms() == 1);
  BOOST_TEST(gpumodel::Timeout(0ms).ms() == 0);
  BOOST_TEST(gpumodel::Timeout(-1ms).ms() == 0);
  BOOST_TEST(gpumodel::Timeout(std::chrono::hours(24 * 365)).ms() == INT32_MAX);
  BOOST_TEST(gpumodel::Timeout(std::chrono::hours::max()).ms() == INT32_MAX);
  BOOST_TEST(gpumodel::Timeout(std::chrono::duration<double>(0.0015)).ms() == 2);
  const auto now = std::chrono::steady_clock::now();
  BOOST_TEST(gpumodel::Timeout(now - 1h).ms() == 1);
  BOOST_TEST(gpumodel::Timeout(now + 1h).ms() > 3'590'000);
}

BOOST_AUTO_TEST_CASE(models_and_reports) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    answer_models(c, {{{"name", "concept"},
                       {"state", "ready"},
                       {"architecture", "qwen2"},
                       {"dtype", "bf16"},
                       {"parameters", 7},
                       {"device_bytes", 9},
                       {"context_tokens", 8192},
                       {"leases", 2},
                       {"waiting", 1}},
                      {{"name", "broken"}, {"state", "failed"}}});
    const Incoming status = c.expect("call_json");
    if (status.params != json{{"method", "status"}}) throw std::runtime_error("params");
    c.respond(status, {{"result", "{\"schema\":1}"}});
    const Incoming why = c.expect("call_json");
    c.respond(why, {{"result", why.params.at("params")}});
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  const std::vector<gpumodel::ModelInfo> models = client.models(5s);
  BOOST_REQUIRE(models.size() == 2u);
  BOOST_TEST(models[0].name == "concept");
  BOOST_TEST(models[0].architecture == "qwen2");
  BOOST_TEST(models[0].dtype == "bf16");
  BOOST_TEST(models[0].parameters == 7u);
  BOOST_TEST(models[0].device_bytes == 9u);
  BOOST_TEST(models[0].context_tokens == 8192u);
  BOOST_TEST((models[0].state == gpumodel::ModelState::ready));
  BOOST_TEST(models[0].leases == 2u);
  BOOST_TEST(models[0].waiting == 1u);
  BOOST_TEST((models[1].state == gpumodel::ModelState::failed));
  BOOST_TEST(client.call_json("status") == "{\"schema\":1}");
  BOOST_TEST(client.call_json("why", "{\"model\":\"a\"}", 5s) == "{\"model\":\"a\"}");
  const std::string_view nul("a\0b", 3);
  BOOST_TEST(client.try_call_json(nul).error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_call_json("why", nul).error().code() == GM_E_INVALID);
  BOOST_TEST(client.try_models(0ms).error().code() == GM_E_INVALID);
}

BOOST_AUTO_TEST_CASE(events_reach_the_callback) {
  FakeDaemon daemon([](Connection& c) {
    c.greet({"events"});
    c.respond(c.expect("events.subscribe"), {{"next_seq", 1}});
    c.notify("event", {{"seq", 1}, {"type", "loaded"}});
    const Incoming acquire = c.expect("lease.acquire");
    c.notify("lease.progress",
             {{"request", acquire.id}, {"phase", "queued"}, {"position", 2}, {"eta_ms", 900}});
    std::this_thread::sleep_for(30ms);
    c.grant(acquire);
    c.notify("lease.suspended", {{"lease", 7}});
    answer_models(c);
    const Incoming off = c.expect("events.subscribe");
    if (off.params != json{{"on", false}}) throw std::runtime_error("still on");
    c.respond(off, {{"next_seq", 2}});
    c.closes();
  });
  struct Heard {
    gpumodel::Event event;
    std::string text;
  };
  std::vector<Heard> heard;
  gpumodel::ClientOptions options = cxx_options(daemon);
  options.on_event = [&](const gpumodel::Event& event) {
    heard.push_back({event, std::string(event.json)});
  };
  gpumodel::Client client = gpumodel::Client::open(options);
  client.subscribe();
  gpumodel::Lease lease = client.acquire("concept");
  client.models();
  client.subscribe(false, 5s);
  BOOST_REQUIRE(heard.size() == 3u);
  BOOST_TEST((heard[0].event.type == gpumodel::EventType::daemon));
  BOOST_TEST(json::parse(heard[0].text).at("seq") == 1);
  BOOST_TEST((heard[1].event.type == gpumodel::EventType::queued));
  BOOST_TEST(heard[1].event.position == 2u);
  BOOST_TEST((heard[1].event.eta == 900ms));
  BOOST_TEST((heard[2].event.type == gpumodel::EventType::suspended));
  BOOST_TEST(heard[2].event.lease == lease.handle());
}

BOOST_AUTO_TEST_CASE(what_a_callback_throws_waits_for_the_call_to_return) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    for (int i = 0; i < 3; ++i) {
      const Incoming models = c.expect("models");
      c.notify("draining", json::object());
      c.respond(models, {{"models", json::array()}});
    }
    answer_models(c);
    c.closes();
  });
  gpumodel::ClientOptions options = cxx_options(daemon);
  options.on_event = [](const gpumodel::Event&) { throw std::out_of_range("from on_event"); };
  gpumodel::Client client = gpumodel::Client::open(options);
  BOOST_CHECK_THROW(client.models(), std::out_of_range);
  gpumodel::rethrow_from_event();  // it was given once
  BOOST_TEST(client.try_models().has_value());
  BOOST_CHECK_THROW(gpumodel::rethrow_from_event(), std::out_of_range);
  BOOST_TEST(client.try_models().has_value());
  BOOST_CHECK_THROW(client.models(), std::out_of_range);
}

BOOST_AUTO_TEST_CASE(a_program_with_its_own_epoll_loop) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming acquire = c.expect("lease.acquire");
    std::this_thread::sleep_for(20ms);
    c.grant(acquire);
    const Incoming request = c.expect("generate");
    for (int seq = 0; seq < 50; ++seq) c.chunk(request, seq, "x");
    c.respond(request, finished());
    c.release(c.expect("lease.release"));
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  epoll_event watched{};
  watched.events = EPOLLIN;
  BOOST_REQUIRE(epoll_ctl(loop, EPOLL_CTL_ADD, client.fd(), &watched) == 0);
  int turns = 0;
  const auto turn = [&] {
    watched.events = static_cast<std::uint32_t>(client.poll_events());  // POLLIN is EPOLLIN
    epoll_ctl(loop, EPOLL_CTL_MOD, client.fd(), &watched);
    epoll_event ready{};
    const int timeout = client.poll_timeout();
    BOOST_REQUIRE(epoll_wait(loop, &ready, 1, timeout < 0 ? 10000 : timeout) >= 0);
    client.dispatch(0ms);
    ++turns;
  };
  gpumodel::Lease lease = std::move(client.begin({"concept"}).front());
  while (!lease.poll()) turn();
  gpumodel::Stream stream = lease.stream("x");
  std::string text;
  gpumodel::Chunk chunk;
  for (gpumodel::Next next{}; (next = stream.next(chunk, 0ms)) != gpumodel::Next::end;) {
    if (next == gpumodel::Next::again) turn();
    if (next == gpumodel::Next::chunk) text += chunk.text;
  }
  BOOST_TEST(text == std::string(50, 'x'));
  while (!lease.release(0ms)) turn();
  BOOST_TEST(turns < 500);  // it slept in between
  client.interrupt();
  BOOST_TEST(client.try_dispatch(0ms).error().code() == GM_E_INTERRUPTED);
  close(loop);
}

BOOST_AUTO_TEST_CASE(closing_while_another_thread_is_in_the_callback) {
  std::atomic<bool> inside{false}, closed{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    c.expect("generate");
    c.notify("draining", json::object());
    c.closes();
  });
  gpumodel::Stream stream;
  std::thread waiter;
  gpumodel::Code ended = GM_OK;
  {
    gpumodel::ClientOptions options = cxx_options(daemon);
    options.on_event = [&, kept = std::string(1000, 'k')](const gpumodel::Event& event) {
      if (event.type != gpumodel::EventType::draining) return;
      inside = true;
      while (!closed) std::this_thread::sleep_for(1ms);
      BOOST_TEST(kept == std::string(1000, 'k'));  // the closure outlives the client
    };
    gpumodel::Client client = gpumodel::Client::open(options);
    stream = client.acquire("concept").stream("x");
    waiter = std::thread([&] {
      gpumodel::Chunk chunk;
      ended = stream.try_next(chunk).error().code();
    });
    while (!inside) std::this_thread::sleep_for(1ms);
  }
  closed = true;
  waiter.join();
  BOOST_TEST(ended == GM_E_STATE);
}

BOOST_AUTO_TEST_SUITE_END()
