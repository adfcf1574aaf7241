// Many threads on one client, interrupts, signals, and a program with its own poll loop.
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

gm_client* interrupted_by_alarm = nullptr;
std::atomic<int> alarms{0};

void on_alarm(int) {
  ++alarms;
  if (interrupted_by_alarm != nullptr) gm_client_interrupt(interrupted_by_alarm);
}

// SIGALRM for this thread only, from `first_us` on, every `every_us`.
struct Alarm {
  Alarm(int first_us, int every_us) {
    alarms = 0;
    struct sigaction action {};
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, &before_);
    const itimerval timer = {{0, every_us}, {0, first_us}};
    setitimer(ITIMER_REAL, &timer, nullptr);
  }
  ~Alarm() {
    const itimerval off{};
    setitimer(ITIMER_REAL, &off, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
    interrupted_by_alarm = nullptr;
  }
  struct sigaction before_ {};
};

// A thread of the test that SIGALRM does not choose.
template <typename F>
std::thread quiet_thread(F run) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  std::thread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

// Serves two streams in turns, `count` chunks each.
void serve_two(Connection& c, int count) {
  c.greet_and_grant();
  const Incoming first = c.expect("generate");
  const Incoming second = c.expect("generate");
  for (int seq = 0; seq < count; ++seq) {
    c.chunk(first, seq, "1");
    c.chunk(second, seq, "2");
  }
  c.respond(second, finished());
  c.respond(first, finished());
  c.closes();
}

void read_stream(gm_stream* stream, std::string* text, gm_status* end) {
  gm_chunk chunk = GM_CHUNK_INIT;
  while ((*end = gm_stream_next(stream, &chunk, -1)) == GM_OK)
    text->append(chunk.text, chunk.text_len);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(threads)

// One thread that looks at two streams: what it reads while it looks at the second may be the
// first's, which the descriptor does not tell any more.
BOOST_AUTO_TEST_CASE(a_loop_is_told_of_what_another_look_has_read) {
  std::promise<void> looked_at_first;
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    const Incoming first = c.expect("generate");
    const Incoming second = c.expect("generate");
    looked_at_first.get_future().wait();
    c.respond(first, finished());
    c.closes();
  });
  auto client = open_client(daemon);
  BOOST_TEST(gm_client_poll_timeout(client.get()) == -1);
  auto lease = acquire(client);
  auto first = generate(lease, request_for("a"));
  auto second = generate(lease, request_for("b"));
  gm_chunk chunk = GM_CHUNK_INIT;
  while (gm_client_dispatch(client.get(), 0) == GM_OK) continue;
  BOOST_TEST(gm_stream_next(first.get(), &chunk, 0) == GM_AGAIN);
  looked_at_first.set_value();
  pollfd entry = {gm_client_fd(client.get()), POLLIN, 0};
  BOOST_REQUIRE(poll(&entry, 1, 20'000) == 1);
  BOOST_TEST(gm_stream_next(second.get(), &chunk, 0) == GM_AGAIN);
  BOOST_TEST(poll(&entry, 1, 0) == 0);
  BOOST_TEST(gm_client_poll_timeout(client.get()) == 0);
  BOOST_TEST(gm_client_dispatch(client.get(), 0) == GM_AGAIN);
  BOOST_TEST(gm_stream_next(first.get(), &chunk, 0) == GM_END);
  BOOST_TEST(gm_client_poll_timeout(client.get()) == -1);
}

BOOST_AUTO_TEST_CASE(two_threads_read_two_streams) {
  FakeDaemon daemon([](Connection& c) { serve_two(c, 2000); });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto first = generate(lease, request_for("a"));
  auto second = generate(lease, request_for("b"));
  std::string texts[2];
  gm_status ends[2];
  std::thread other([&] { read_stream(second.get(), &texts[1], &ends[1]); });
  read_stream(first.get(), &texts[0], &ends[0]);
  other.join();
  BOOST_TEST(ends[0] == GM_END);
  BOOST_TEST(ends[1] == GM_END);
  BOOST_TEST(texts[0] == std::string(2000, '1'));
  BOOST_TEST(texts[1] == std::string(2000, '2'));
}

BOOST_AUTO_TEST_CASE(eight_threads_call_at_once) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    std::vector<Incoming> held;  // all eight of a round, answered in the opposite order
    for (;;) {
      held.push_back(c.expect("call_json"));
      if (held.size() < 8) continue;
      for (; !held.empty(); held.pop_back()) {
        c.respond(held.back(), {{"result", held.back().params.at("method")}});
      }
    }
  });
  auto client = open_client(daemon);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  std::barrier round(8);
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string method = std::to_string(t).append(".").append(std::to_string(i));
        char* result = nullptr;
        if (gm_call_json(client.get(), method.c_str(), nullptr, -1, &result) == GM_OK &&
            result == method)
          ++right;
        gm_free(result);
        round.arrive_and_wait();
      }
    });
  }
  for (auto& caller : callers) caller.join();
  BOOST_TEST(right == 400);
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(interrupt_reaches_every_blocked_call_once) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming first = c.expect("generate");
    c.expect("generate");
    c.expect("lease.acquire");
    c.expect("cancel");
    c.chunk(first, 0, "on");
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto first = generate(lease, request_for("a"));
  auto second = generate(lease, request_for("b"));
  std::atomic<int> interrupted{0};
  const auto wait_on = [&](gm_stream* stream) {
    gm_chunk chunk = GM_CHUNK_INIT;
    if (gm_stream_next(stream, &chunk, -1) == GM_E_INTERRUPTED) ++interrupted;
  };
  std::thread a([&] { wait_on(first.get()); });
  std::thread b([&] { wait_on(second.get()); });
  std::thread c([&] {
    gm_lease* other = nullptr;
    if (gm_lease_acquire(client.get(), "x", nullptr, &other) == GM_E_INTERRUPTED) ++interrupted;
  });
  pause_ms(100);
  gm_client_interrupt(client.get());
  a.join();
  b.join();
  c.join();
  BOOST_TEST(interrupted == 3);
  gm_chunk chunk = GM_CHUNK_INIT;
  BOOST_TEST(gm_stream_next(first.get(), &chunk, -1) == GM_OK);
}

BOOST_AUTO_TEST_CASE(a_signal_handler_may_interrupt) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.expect("lease.acquire");
    c.expect("cancel");
    c.closes();
  });
  auto client = open_client(daemon);
  interrupted_by_alarm = client.get();
  Alarm alarm(50000, 0);
  gm_lease* lease = nullptr;
  errno = 77;
  BOOST_TEST(gm_lease_acquire(client.get(), "a", nullptr, &lease) == GM_E_INTERRUPTED);
  BOOST_TEST(errno == 77);
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(a_storm_of_signals_changes_nothing) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    for (int seq = 0; seq < 200; ++seq) {
      c.chunk(request, seq, "x");
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    c.respond(request, finished());
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("a"));
  std::string text;
  gm_status end = GM_OK;
  {
    Alarm alarm(200, 200);
    read_stream(stream.get(), &text, &end);
  }
  BOOST_TEST(end == GM_END);
  BOOST_TEST(text.size() == 200u);
  BOOST_TEST(alarms > 10);
}

BOOST_AUTO_TEST_CASE(a_signal_ends_a_call_if_asked_for) {
  // The main thread both as the one that reads and as one that sleeps while another reads.
  for (const bool reads : {true, false}) {
    std::atomic<bool> go{false};
    FakeDaemon daemon([&](Connection& c) {
      c.greet_and_grant();
      const Incoming first = c.expect("generate");
      c.expect("generate");
      while (!go) pause_ms(1);
      c.respond(first, finished());
      c.closes();
    });
    gm_client_options options = options_for(daemon);
    options.flags = GM_CLIENT_RETURN_ON_SIGNAL;
    auto client = open_client(options);
    auto lease = acquire(client);
    auto first = generate(lease, request_for("a"));
    auto second = generate(lease, request_for("b"));
    std::string text;
    gm_status end = GM_OK;
    std::thread reader;
    if (!reads) reader = quiet_thread([&] { read_stream(first.get(), &text, &end); });
    pause_ms(50);
    {
      Alarm alarm(50000, 20000);
      gm_chunk chunk = GM_CHUNK_INIT;
      BOOST_TEST(gm_stream_next(second.get(), &chunk, 10000) == GM_E_INTERRUPTED);
    }
    go = true;
    if (!reads) reader.join();
    if (!reads) BOOST_TEST(end == GM_END);
  }
}

BOOST_AUTO_TEST_CASE(close_while_another_waits_on_a_stream) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.expect("generate");
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("a"));
  gm_status end = GM_OK;
  std::thread waiter([&] {
    gm_chunk chunk = GM_CHUNK_INIT;
    end = gm_stream_next(stream.get(), &chunk, -1);
  });
  pause_ms(50);
  client.reset();
  waiter.join();
  BOOST_TEST(end == GM_E_STATE);
  daemon.join();
}

BOOST_AUTO_TEST_CASE(a_program_with_its_own_loop) {
  const std::string prompt(2 << 20, 'p');  // needs room to write as well
  FakeDaemon daemon([&](Connection& c) {
    c.greet();
    const Incoming acquire = c.expect("lease.acquire");
    c.notify("lease.progress", {{"request", acquire.id}, {"phase", "queued"}, {"position", 1}});
    pause_ms(20);
    c.grant(acquire);
    pause_ms(20);
    const Incoming request = c.expect("generate");
    for (int seq = 0; seq < 50; ++seq) c.chunk(request, seq, "x");
    c.respond(request, finished());
    c.release(c.expect("lease.release"));
    c.closes();
  });
  int progress = 0;
  gm_client_options options = options_for(daemon);
  options.user = &progress;
  options.on_event = [](gm_client*, const gm_event* event, void* user) {
    if (event->type == GM_EVENT_QUEUED && event->lease != nullptr) ++*static_cast<int*>(user);
  };
  auto client = open_client(options);
  int turns = 0;
  const auto turn = [&] {
    pollfd entry = {gm_client_fd(client.get()),
                    static_cast<short>(gm_client_poll_events(client.get())), 0};
    const int timeout = gm_client_poll_timeout(client.get());
    BOOST_REQUIRE(poll(&entry, 1, timeout < 0 ? 10000 : timeout) >= 0);
    const gm_status status = gm_client_dispatch(client.get(), 0);
    BOOST_REQUIRE((status == GM_OK || status == GM_AGAIN));
    ++turns;
  };
  const char* names[] = {"concept"};
  gm_lease* raw = nullptr;
  BOOST_REQUIRE(gm_lease_begin(client.get(), names, 1, nullptr, &raw) == GM_OK);
  Owned<gm_lease> lease(raw);
  while (gm_lease_poll(raw) == GM_AGAIN) turn();
  BOOST_TEST(progress == 1);
  auto stream = generate(lease, request_for(prompt.c_str()));
  gm_chunk chunk = GM_CHUNK_INIT;
  gm_status status = GM_AGAIN;
  int chunks = 0;
  while ((status = gm_stream_next(stream.get(), &chunk, 0)) != GM_END) {
    BOOST_REQUIRE((status == GM_OK || status == GM_AGAIN));
    if (status == GM_OK) ++chunks;
    if (status == GM_AGAIN) turn();
  }
  BOOST_TEST(chunks == 50);
  while (gm_lease_release(raw, 0, nullptr) == GM_AGAIN) turn();
  BOOST_TEST(turns < 500);  // it slept in between
  gm_client_interrupt(client.get());
  pollfd entry = {gm_client_fd(client.get()), POLLIN, 0};
  BOOST_TEST(poll(&entry, 1, 1000) == 1);
  BOOST_TEST(gm_client_dispatch(client.get(), 0) == GM_E_INTERRUPTED);
  BOOST_TEST(poll(&entry, 1, 0) == 0);
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_SUITE_END()
