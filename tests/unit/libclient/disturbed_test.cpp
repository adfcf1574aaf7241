// Whole sessions of a program whose signals fly, and of one that has no descriptors left.
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

std::atomic<int> alarms{0};

// SIGALRM every 200 us, for threads that were not started under a Calm.
struct Storm {
  Storm() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++alarms; };
    sigaction(SIGALRM, &action, &before_);
    const itimerval timer = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &timer, nullptr);
  }
  ~Storm() {
    const itimerval off{};
    setitimer(ITIMER_REAL, &off, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  struct sigaction before_ {};
};

struct Calm {
  Calm() {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before_);
  }
  ~Calm() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  sigset_t before_;
};

void dawdle() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

void serve_slowly(Connection& c) {
  dawdle();
  c.greet();
  const Incoming acquire = c.expect("lease.acquire");
  dawdle();
  c.grant(acquire);
  const Incoming tokenize = c.expect("tokenize");
  dawdle();
  c.respond(tokenize, {{"tokens", {1}}});
  const Incoming whole = c.expect("generate");
  dawdle();
  json result = finished();
  result["text"] = std::to_string(whole.params.at("prompt").get<std::string>().size());
  c.respond(whole, result);
  const Incoming streamed = c.expect("generate");
  for (int seq = 0; seq < 20; ++seq) {
    dawdle();
    c.chunk(streamed, seq, "x");
  }
  c.respond(streamed, finished());
  const Incoming release = c.expect("lease.release");
  dawdle();
  c.release(release);
  c.closes();
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// What is wrong, or "". In a child: its limit must not reach the daemon's thread.
const char* open_without_descriptors(const FakeDaemon& daemon) {
  const int lowest = dup(STDIN_FILENO);
  close(lowest);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t before = open_descriptors();
  const gm_client_options options = options_for(daemon);
  gm_client* client = nullptr;
  int failures = 0;
  for (int allowed = lowest;; ++allowed) {
    rlimit tight = limit;
    tight.rlim_cur = static_cast<rlim_t>(allowed);
    setrlimit(RLIMIT_NOFILE, &tight);
    const gm_status status = gm_client_open(&options, &client);
    const gm_error error = last_error();
    setrlimit(RLIMIT_NOFILE, &limit);
    if (status == GM_OK) break;
    ++failures;
    if (status != GM_E_SYSTEM || error.sys_errno != EMFILE) return "another error";
    if (std::strstr(error.message, "Too many open files") == nullptr) return "no reason";
    if (open_descriptors() != before) return "a descriptor is left";
  }
  if (failures < 3) return "fewer failures than descriptors";
  gm_models* models = nullptr;
  if (gm_models_get(client, GM_WAIT_FOREVER, &models) != GM_OK) return "no use when opened";
  gm_models_free(models);
  gm_client_close(client);
  return open_descriptors() == before ? "" : "a descriptor is left at the end";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(disturbed)

BOOST_AUTO_TEST_CASE(a_whole_session_in_a_storm_of_signals) {
  const std::string prompt(4 << 20, 'p');  // more than the socket holds
  std::unique_ptr<FakeDaemon> daemon;
  {
    const Calm calm;
    daemon = std::make_unique<FakeDaemon>(serve_slowly);
  }
  alarms = 0;
  {
    const Storm storm;
    auto client = open_client(*daemon);
    auto lease = acquire(client);
    std::int32_t* tokens = nullptr;
    std::size_t count = 0;
    BOOST_TEST(gm_tokenize(lease.get(), "x", 0, GM_WAIT_FOREVER, &tokens, &count) == GM_OK);
    gm_free(tokens);
    char* text = nullptr;
    BOOST_REQUIRE(gm_complete(lease.get(), prompt.c_str(), nullptr, &text, nullptr) == GM_OK);
    BOOST_TEST(text == std::to_string(prompt.size()));
    gm_free(text);
    auto stream = generate(lease, request_for("y"));
    gm_chunk chunk = GM_CHUNK_INIT;
    int chunks = 0;
    gm_status status = GM_OK;
    while ((status = gm_stream_next(stream.get(), &chunk, GM_WAIT_FOREVER)) == GM_OK) ++chunks;
    BOOST_TEST(status == GM_END);
    BOOST_TEST(chunks == 20);
    BOOST_TEST(gm_lease_release(lease.get(), GM_WAIT_FOREVER, nullptr) == GM_OK);
  }
  daemon->join();
  BOOST_TEST(alarms > 50);
}

BOOST_AUTO_TEST_CASE(no_descriptors_left_is_an_error_that_leaves_none_behind) {
  FakeDaemon daemon(std::vector<FakeDaemon::Script>(8, [](Connection& c) {
    c.greet();
    c.respond(c.expect("models"), {{"models", json::array()}});
    c.closes();
  }));
  const pid_t child = fork();
  if (child == 0) {
    const char* fault = open_without_descriptors(daemon);
    if (write(STDERR_FILENO, fault, std::strlen(fault)) < 0) _exit(2);
    _exit(fault[0] == '\0' ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_SUITE_END()
