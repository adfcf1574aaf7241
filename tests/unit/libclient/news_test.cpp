// What the daemon says of its own accord: leases suspended, resumed and lost, draining, events.
#include <poll.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

struct News {
  struct Item {
    std::uint32_t type;
    gm_lease* lease;
    json event;  // GM_EVENT_DAEMON
  };
  std::vector<Item> items;

  static void on_event(gm_client*, const gm_event* event, void* user) {
    static_cast<News*>(user)->items.push_back(
        {event->type, event->lease, event->json != nullptr ? json::parse(event->json) : json()});
  }
};

Owned<gm_client> open_with(const FakeDaemon& daemon, News& news) {
  gm_client_options options = options_for(daemon);
  options.on_event = News::on_event;
  options.user = &news;
  return open_client(options);
}

// Handles what comes until `count` pieces of news were told.
void read_news(const Owned<gm_client>& client, const News& news, std::size_t count) {
  while (news.items.size() < count) {
    const gm_status status = gm_client_dispatch(client.get(), 20'000);
    BOOST_REQUIRE(status == GM_OK);
  }
}

// Asks something, for which the daemon's script waits before it says more: what it says with
// answer() has been read when this returns.
gm_status ask(const Owned<gm_client>& client) {
  gm_models* models = nullptr;
  const gm_status status = gm_models_get(client.get(), GM_WAIT_FOREVER, &models);
  gm_models_free(models);
  return status;
}

void answer(Connection& c, const std::string& before = {}) {
  const Incoming models = c.expect("models");
  c.send(before);
  c.respond(models, {{"models", json::array()}});
}

std::string said(const char* method, const json& params) {
  return packed({2, method, json::array({params})});
}

std::uint32_t state_of(const Owned<gm_lease>& lease) {
  gm_lease_info info = GM_LEASE_INFO_INIT;
  BOOST_REQUIRE(gm_lease_get_info(lease.get(), &info) == GM_OK);
  return info.state;
}

json event_of(std::uint64_t seq, std::size_t text_bytes = 0) {
  return {{"seq", seq},
          {"type", "loaded"},
          {"model", "concept"},
          {"user", nullptr},
          {"reason", std::string(text_bytes, 'x')}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(news)

BOOST_AUTO_TEST_CASE(a_lease_is_suspended_and_comes_back) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    answer(c, said("lease.suspended", {{"lease", 7}}));
    const Incoming generate = c.expect("generate");
    answer(c);
    answer(c, said("lease.resumed", {{"lease", 7}}));
    c.respond(generate, finished());
    c.closes();
  });
  News news;
  auto client = open_with(daemon, news);
  auto lease = acquire(client);
  BOOST_TEST(state_of(lease) == GM_LEASE_HELD);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_TEST(state_of(lease) == GM_LEASE_SUSPENDED);
  BOOST_TEST(gm_lease_poll(lease.get()) == GM_OK);
  auto stream = generate(lease, request_for("x"));
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_TEST(state_of(lease) == GM_LEASE_RESUMING);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_TEST(state_of(lease) == GM_LEASE_HELD);
  BOOST_REQUIRE(news.items.size() == 2u);
  BOOST_TEST(news.items[0].type == GM_EVENT_SUSPENDED);
  BOOST_TEST(news.items[0].lease == lease.get());
  BOOST_TEST(news.items[1].type == GM_EVENT_RESUMED);
  BOOST_TEST(news.items[1].lease == lease.get());
}

BOOST_AUTO_TEST_CASE(a_whole_text_resumes_too_and_other_calls_do_not) {
  std::atomic<bool> waiting{false}, go{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    answer(c, said("lease.suspended", {{"lease", 7}}));
    c.respond(c.expect("tokenize"), {{"tokens", {1}}});
    const Incoming generate = c.expect("generate");
    waiting = true;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    c.notify("lease.resumed", {{"lease", 7}});
    json result = finished();
    result["text"] = "back";
    c.respond(generate, result);
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  BOOST_TEST(ask(client) == GM_OK);
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  BOOST_TEST(gm_tokenize(lease.get(), "x", 0, -1, &tokens, &count) == GM_OK);
  gm_free(tokens);
  BOOST_TEST(state_of(lease) == GM_LEASE_SUSPENDED);
  char* text = nullptr;
  gm_status status = GM_AGAIN;
  std::thread other([&] { status = gm_complete(lease.get(), "x", nullptr, &text, nullptr); });
  while (!waiting) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  BOOST_TEST(state_of(lease) == GM_LEASE_RESUMING);
  go = true;
  other.join();
  BOOST_TEST(status == GM_OK);
  gm_free(text);
  BOOST_TEST(state_of(lease) == GM_LEASE_HELD);
}

BOOST_AUTO_TEST_CASE(only_the_last_word_on_a_lease_is_told) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const json seven = {{"lease", 7}};
    answer(c, said("lease.suspended", seven) + said("lease.resumed", seven) +
                  said("lease.suspended", seven));
    c.closes();
  });
  News news;
  auto client = open_with(daemon, news);
  auto lease = acquire(client);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_REQUIRE(news.items.size() == 1u);  // a small write is read as a whole
  BOOST_TEST(news.items.back().type == GM_EVENT_SUSPENDED);
  BOOST_TEST(state_of(lease) == GM_LEASE_SUSPENDED);
}

BOOST_AUTO_TEST_CASE(a_lost_lease_says_why_and_is_not_released) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.grant(c.expect("lease.acquire"));
    answer(c, said("lease.lost", {{"lease", 7}, {"reason", "revoked by root: maintenance"}}));
    const Incoming release = c.expect("lease.release");  // of the other one
    if (release.params.at("lease") != 8) throw std::runtime_error("a lost lease was released");
    c.release(release);
    if (!c.closes()) throw std::runtime_error("more than one release");
  });
  News news;
  auto client = open_with(daemon, news);
  const char* names[] = {"a", "b"};
  gm_lease* raw[2];
  BOOST_REQUIRE(gm_lease_acquire_all(client.get(), names, 2, nullptr, raw) == GM_OK);
  Owned<gm_lease> first(raw[0]), second(raw[1]);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_REQUIRE(news.items.size() == 1u);
  BOOST_TEST(news.items[0].type == GM_EVENT_LEASE_LOST);
  BOOST_TEST(news.items[0].lease == raw[0]);
  BOOST_TEST(state_of(first) == GM_LEASE_ENDED);
  BOOST_TEST(state_of(second) == GM_LEASE_HELD);
  char* text = nullptr;
  BOOST_TEST(gm_complete(raw[0], "x", nullptr, &text, nullptr) == GM_E_LEASE_LOST);
  BOOST_TEST(std::string(last_error().message).find("revoked by root: maintenance") !=
             std::string::npos);
  BOOST_TEST(gm_lease_poll(raw[0]) == GM_E_LEASE_LOST);
  BOOST_TEST(gm_lease_release(raw[0], -1, nullptr) == GM_E_LEASE_LOST);
  BOOST_TEST(gm_lease_release(raw[1], -1, nullptr) == GM_OK);
  first.reset();
  second.reset();
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(news_of_a_lease_that_is_gone_is_dropped) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.release(c.expect("lease.release"));
    answer(c, said("lease.lost", {{"lease", 7}}) + said("lease.suspended", {{"lease", 99}}));
    c.closes();
  });
  News news;
  auto client = open_with(daemon, news);
  auto lease = acquire(client);
  BOOST_TEST(gm_lease_release(lease.get(), -1, nullptr) == GM_OK);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_TEST(news.items.empty());
  BOOST_TEST(gm_lease_release(lease.get(), -1, nullptr) == GM_OK);
}

BOOST_AUTO_TEST_CASE(a_callback_may_free_a_lease_with_news) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.grant(c.expect("lease.acquire"));
    answer(c, said("lease.suspended", {{"lease", 7}}) + said("lease.suspended", {{"lease", 8}}));
    for (int i = 0; i < 2; ++i) c.release(c.expect("lease.release"));
    c.closes();
  });
  struct Both {
    gm_lease* leases[2];
    int told = 0;
  } both;
  gm_client_options options = options_for(daemon);
  options.user = &both;
  options.on_event = [](gm_client*, const gm_event* event, void* user) {
    auto* all = static_cast<Both*>(user);
    if (event->type != GM_EVENT_SUSPENDED) return;
    ++all->told;
    for (gm_lease*& lease : all->leases) gm_lease_free(std::exchange(lease, nullptr));
  };
  auto client = open_client(options);
  const char* names[] = {"a", "b"};
  BOOST_REQUIRE(gm_lease_acquire_all(client.get(), names, 2, nullptr, both.leases) == GM_OK);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_TEST(both.told == 1);
  client.reset();
}

BOOST_AUTO_TEST_CASE(draining_is_told) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.notify("draining", json::object());
    answer(c);
    c.closes();
  });
  News news;
  auto client = open_with(daemon, news);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_REQUIRE(news.items.size() == 1u);
  BOOST_TEST(news.items[0].type == GM_EVENT_DRAINING);
  BOOST_TEST(news.items[0].lease == nullptr);
}

BOOST_AUTO_TEST_CASE(events_come_in_order_as_the_daemon_wrote_them) {
  FakeDaemon daemon([](Connection& c) {
    c.greet({"events"});
    const Incoming on = c.expect("events.subscribe");
    if (on.params != json{{"on", true}}) throw std::runtime_error("another subscription");
    c.respond(on, {{"next_seq", 41}});
    for (std::uint64_t seq = 41; seq < 44; ++seq) c.notify("event", event_of(seq));
    const Incoming off = c.expect("events.subscribe");
    if (off.params != json{{"on", false}}) throw std::runtime_error("still subscribed");
    c.respond(off, {{"next_seq", 44}});
    c.closes();
  });
  News news;
  auto client = open_with(daemon, news);
  BOOST_REQUIRE(gm_subscribe(client.get(), 1, 5000) == GM_OK);
  read_news(client, news, 3);
  BOOST_TEST(gm_subscribe(client.get(), 0, 5000) == GM_OK);
  BOOST_REQUIRE(news.items.size() == 3u);
  for (std::uint64_t i = 0; i < 3; ++i) {
    BOOST_TEST(news.items[i].type == GM_EVENT_DAEMON);
    BOOST_TEST((news.items[i].event == event_of(41 + i)));
  }
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_look_misses_the_newest) {
  constexpr std::size_t kText = 100'000;
  constexpr std::uint64_t kCount = 50;
  std::atomic<bool> sent{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet({"events"});
    c.respond(c.expect("events.subscribe"), {{"next_seq", 0}});
    const Incoming first = c.expect("models");
    for (std::uint64_t seq = 0; seq < kCount; ++seq) c.notify("event", event_of(seq, kText));
    c.respond(first, {{"models", json::array()}});
    answer(c);
    c.notify("event", event_of(kCount));
    answer(c);
    c.closes();
  });
  // Inside a callback nothing else is told: the events pile up while it asks for models.
  struct Slow {
    std::vector<std::uint64_t> seqs;
    bool asked = false;
  } slow;
  gm_client_options options = options_for(daemon);
  options.user = &slow;
  options.on_event = [](gm_client* client, const gm_event* event, void* user) {
    auto* self = static_cast<Slow*>(user);
    if (event->type != GM_EVENT_DAEMON) return;
    self->seqs.push_back(json::parse(event->json).at("seq"));
    if (std::exchange(self->asked, true)) return;
    gm_models* models = nullptr;
    if (gm_models_get(client, -1, &models) == GM_OK) gm_models_free(models);
  };
  auto client = open_client(options);
  BOOST_REQUIRE(gm_subscribe(client.get(), 1, 5000) == GM_OK);
  BOOST_TEST(ask(client) == GM_OK);
  BOOST_TEST(ask(client) == GM_OK);
  while (slow.seqs.empty() || slow.seqs.back() != kCount)
    BOOST_REQUIRE(gm_client_dispatch(client.get(), 20'000) == GM_OK);
  BOOST_TEST(slow.seqs.size() >= 10u);
  BOOST_TEST(slow.seqs.size() < kCount);
  for (std::size_t i = 0; i + 1 < slow.seqs.size(); ++i) BOOST_TEST(slow.seqs[i] == i);
}

BOOST_AUTO_TEST_CASE(a_subscription_needs_a_callback_and_the_feature) {
  FakeDaemon daemon({[](Connection& c) {
                       c.greet({"events"});
                       if (!c.closes()) throw std::runtime_error("something was sent");
                     },
                     [](Connection& c) {
                       c.greet();
                       if (!c.closes()) throw std::runtime_error("something was sent");
                     },
                     [](Connection& c) {
                       c.greet({"events"});
                       c.fail(c.expect("events.subscribe"), -24, "denied");
                       c.closes();
                     }});
  {
    auto deaf = open_client(daemon);
    BOOST_TEST(gm_subscribe(deaf.get(), 1, 1000) == GM_E_INVALID);
  }
  News news;
  {
    auto old = open_with(daemon, news);
    BOOST_TEST(gm_subscribe(old.get(), 1, 1000) == GM_E_UNSUPPORTED);
    BOOST_TEST(gm_subscribe(old.get(), 2, 1000) == GM_E_INVALID);
    BOOST_TEST(gm_subscribe(old.get(), 1, 0) == GM_E_INVALID);
  }
  {
    auto denied = open_with(daemon, news);
    BOOST_TEST(gm_subscribe(denied.get(), 1, 5000) == GM_E_DENIED);
  }
  daemon.join();
}

BOOST_AUTO_TEST_CASE(lies_in_notifications_end_the_connection) {
  const struct {
    const char* method;
    json params;
  } kLies[] = {{"lease.suspended", json::object()},
               {"lease.resumed", {{"lease", "seven"}}},
               {"lease.lost", {{"lease", -1}}},
               {"lease.lost", {{"lease", 7}, {"reason", 5}}},
               {"event", {{"seq", 1}}},
               {"event", {{"type", "loaded"}}},
               {"event", {{"seq", -1}, {"type", "loaded"}}}};
  for (const auto& lie : kLies) {
    FakeDaemon daemon([&](Connection& c) {
      c.greet_and_grant();
      answer(c, said(lie.method, lie.params));
      c.closes();
    });
    auto client = open_client(daemon);
    auto lease = acquire(client);
    BOOST_TEST_CONTEXT(lie.method << " " << lie.params) {
      BOOST_TEST(ask(client) == GM_E_PROTOCOL);
      BOOST_TEST(state_of(lease) == GM_LEASE_ENDED);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_program_with_its_own_loop_is_told) {
  FakeDaemon daemon([](Connection& c) {
    c.greet({"events"});
    c.respond(c.expect("events.subscribe"), {{"next_seq", 1}});
    c.notify("event", event_of(1));
    c.closes();
  });
  News news;
  auto client = open_with(daemon, news);
  BOOST_REQUIRE(gm_subscribe(client.get(), 1, 5000) == GM_OK);
  while (news.items.empty()) {
    pollfd entry{gm_client_fd(client.get()),
                 static_cast<short>(gm_client_poll_events(client.get())), 0};
    const int timeout_ms = gm_client_poll_timeout(client.get());
    BOOST_REQUIRE(poll(&entry, 1, timeout_ms < 0 ? 20'000 : timeout_ms) >= 0);
    BOOST_REQUIRE(gm_client_dispatch(client.get(), 0) >= GM_OK);
  }
  BOOST_TEST(news.items[0].type == GM_EVENT_DAEMON);
}

BOOST_AUTO_TEST_CASE(waiting_for_foreign_memory_is_asked_for) {
  FakeDaemon daemon([](Connection& c) {
    c.greet({"lease.wait_foreign"});
    const Incoming plain = c.expect("lease.acquire");
    if (plain.params.contains("wait_foreign")) throw std::runtime_error("nobody asked to wait");
    c.fail(plain, -46, "foreign", {{"missing_bytes", 5}, {"holders", json::array()}});
    const Incoming waiting = c.expect("lease.acquire");
    if (waiting.params.at("wait_foreign") != true) throw std::runtime_error("does not wait");
    c.grant(waiting);
    c.closes();
  });
  auto client = open_client(daemon);
  gm_lease* raw = nullptr;
  BOOST_TEST(gm_lease_acquire(client.get(), "a", nullptr, &raw) == GM_E_FOREIGN);
  gm_lease_options options = GM_LEASE_OPTIONS_INIT;
  options.flags = GM_LEASE_WAIT_FOREIGN;
  BOOST_REQUIRE(gm_lease_acquire(client.get(), "a", &options, &raw) == GM_OK);
  Owned<gm_lease> lease(raw);
}

BOOST_AUTO_TEST_SUITE_END()
