#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

gm_status open_status(const gm_client_options& options) {
  gm_client* client = nullptr;
  const gm_status status = gm_client_open(&options, &client);
  BOOST_TEST((client == nullptr) == (status != GM_OK));
  gm_client_close(client);
  return status;
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

bool says(const char* part) { return std::strstr(last_error().message, part) != nullptr; }

}  // namespace

BOOST_AUTO_TEST_SUITE(client)

BOOST_AUTO_TEST_CASE(opens_and_closes_without_a_trace) {
  const std::size_t before = open_descriptors();
  {
    FakeDaemon daemon([](Connection& c) {
      c.greet();
      c.closes();
    });
    errno = 77;
    auto client = open_client(daemon);
    BOOST_TEST(errno == 77);
    BOOST_TEST(gm_client_fd(client.get()) >= 0);
    BOOST_TEST(fcntl(gm_client_fd(client.get()), F_GETFD) == FD_CLOEXEC);
    client.reset();
    daemon.join();
  }
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(says_what_to_do_without_a_daemon) {
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = "/nonexistent/api.sock";
  errno = 77;
  BOOST_TEST(open_status(options) == GM_E_NO_DAEMON);
  BOOST_TEST(errno == 77);
  BOOST_TEST(says("/nonexistent/api.sock"));
  BOOST_TEST(says("systemctl start gpumodeld"));
  BOOST_TEST(last_error().sys_errno == ENOENT);
}

BOOST_AUTO_TEST_CASE(a_dead_socket_is_no_daemon) {
  std::string path;
  {
    FakeDaemon daemon([](Connection&) {});
    path = daemon.path() + "x";
    BOOST_REQUIRE(symlink(daemon.socket(), path.c_str()) == 0);
  }
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = path.c_str();
  BOOST_TEST(open_status(options) == GM_E_NO_DAEMON);
  unlink(path.c_str());
}

BOOST_AUTO_TEST_CASE(a_forbidden_socket_names_the_group,
                     *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
                       return boost::test_tools::assertion_result(getuid() == 0);
                     })) {
  FakeDaemon daemon([](Connection&) {});
  chmod(daemon.socket(), 0600);
  const pid_t child = fork();
  if (child == 0) {
    const bool dropped = setgid(65534) == 0 && setuid(65534) == 0;
    gm_client_options options = options_for(daemon);
    gm_client* client = nullptr;
    const gm_status status = gm_client_open(&options, &client);
    gm_error error = GM_ERROR_INIT;
    gm_last_error(&error);
    _exit(dropped && status == GM_E_DENIED &&
                  std::strstr(error.message, "group gpumodel") != nullptr
              ? 0
              : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(path_comes_from_option_then_environment) {
  FakeDaemon daemon({[](Connection& c) { c.greet(); }, [](Connection& c) { c.greet(); }});
  setenv("GPUMODEL_SOCKET", daemon.socket(), 1);
  BOOST_TEST(open_status(GM_CLIENT_OPTIONS_INIT) == GM_OK);
  gm_client* client = nullptr;
  BOOST_TEST(gm_client_open(nullptr, &client) == GM_OK);
  gm_client_close(client);
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = "/nonexistent/other.sock";
  BOOST_TEST(open_status(options) == GM_E_NO_DAEMON);
  unsetenv("GPUMODEL_SOCKET");
  BOOST_TEST(open_status(GM_CLIENT_OPTIONS_INIT) == GM_E_NO_DAEMON);
  BOOST_TEST(says(GM_DEFAULT_SOCKET));
  daemon.join();
}

BOOST_AUTO_TEST_CASE(arguments_are_checked) {
  gm_client* client = nullptr;
  BOOST_TEST(gm_client_open(nullptr, nullptr) == GM_E_INVALID);
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  const std::string long_path(200, 'x');
  options.socket_path = long_path.c_str();
  BOOST_TEST(gm_client_open(&options, &client) == GM_E_INVALID);
  options = GM_CLIENT_OPTIONS_INIT;
  options.timeout_ms = 0;
  BOOST_TEST(gm_client_open(&options, &client) == GM_E_INVALID);
  options = GM_CLIENT_OPTIONS_INIT;
  options.struct_size = 0;
  BOOST_TEST(gm_client_open(&options, &client) == GM_E_INVALID);
  options = GM_CLIENT_OPTIONS_INIT;
  options.flags = 1u << 9;
  BOOST_TEST(gm_client_open(&options, &client) == GM_E_UNSUPPORTED);
  options = GM_CLIENT_OPTIONS_INIT;
  const std::string long_name(65, 'x');
  options.app_name = long_name.c_str();
  BOOST_TEST(gm_client_open(&options, &client) == GM_E_INVALID);
  BOOST_TEST(client == nullptr);
  gm_client_close(nullptr);
  gm_lease_free(nullptr);
  gm_stream_free(nullptr);
  gm_models_free(nullptr);
  gm_free(nullptr);
  gm_client_interrupt(nullptr);
  BOOST_TEST(gm_client_fd(nullptr) == -1);
}

BOOST_AUTO_TEST_CASE(a_newer_callers_set_field_is_unsupported) {
  struct {
    gm_client_options known;
    const void* newer;
  } options = {GM_CLIENT_OPTIONS_INIT, "set"};
  options.known.struct_size = sizeof options;
  gm_client* client = nullptr;
  BOOST_TEST(gm_client_open(&options.known, &client) == GM_E_UNSUPPORTED);
}

BOOST_AUTO_TEST_CASE(versions_must_meet) {
  FakeDaemon daemon({[](Connection& c) {
                       c.respond(c.expect("hello"), {{"protocol", 2}});
                       c.closes();
                     },
                     [](Connection& c) {
                       c.fail(c.expect("hello"), -23, "version");
                       c.closes();
                     }});
  BOOST_TEST(open_status(options_for(daemon)) == GM_E_VERSION);
  BOOST_TEST(says("protocol 2"));
  BOOST_TEST(open_status(options_for(daemon)) == GM_E_VERSION);
  daemon.join();
}

BOOST_AUTO_TEST_CASE(a_refusal_before_hello_says_why) {
  FakeDaemon daemon([](Connection& c) {
    c.send(packed({1,
                   0,
                   {{"code", -25}, {"name", "quota"}, {"message", "64 connections are open"}},
                   nullptr}));
  });
  BOOST_TEST(open_status(options_for(daemon)) == GM_E_QUOTA);
  BOOST_TEST(says("64 connections are open"));
  daemon.join();
}

BOOST_AUTO_TEST_CASE(a_silent_daemon_times_out) {
  FakeDaemon daemon([](Connection& c) {
    c.expect("hello");
    c.closes();
  });
  gm_client_options options = options_for(daemon);
  options.timeout_ms = 50;
  BOOST_TEST(open_status(options) == GM_E_TIMEOUT);
  daemon.join();
}

BOOST_AUTO_TEST_CASE(an_error_comes_with_everything) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.fail(c.expect("lease.acquire"), -40, "no_model", {{"near", {"concept"}}});
    c.closes();
  });
  auto client = open_client(daemon);
  gm_lease* lease = nullptr;
  BOOST_TEST(gm_lease_acquire(client.get(), "concpt", nullptr, &lease) == GM_E_NO_MODEL);
  BOOST_TEST(lease == nullptr);
  const gm_error error = last_error();
  BOOST_TEST(error.status == GM_E_NO_MODEL);
  BOOST_TEST(error.message == std::string("fake: no_model"));
  BOOST_TEST(error.retryable == 1u);
  BOOST_TEST(error.retry_after_ms == 250u);
  char* text = nullptr;
  BOOST_TEST(gm_last_error_json(&text) == GM_OK);
  const json expected = {{"code", -40},
                         {"name", "no_model"},
                         {"message", "fake: no_model"},
                         {"detail", {{"near", {"concept"}}}},
                         {"retryable", true},
                         {"retry_after_ms", 250}};
  BOOST_TEST(json::parse(text) == expected);
  gm_free(text);
  // Another thread has its own.
  gm_status other = -1;
  std::thread([&] { other = last_error().status; }).join();
  BOOST_TEST(other == GM_OK);
}

BOOST_AUTO_TEST_CASE(codes_of_later_versions_pass_through) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.fail(c.expect("models"), -777, "later");
    c.closes();
  });
  auto client = open_client(daemon);
  gm_models* models = nullptr;
  BOOST_TEST(gm_models_get(client.get(), 1000, &models) == -777);
  BOOST_TEST(gm_status_name(-777) == std::string("GM_E_UNKNOWN"));
  BOOST_TEST(gm_status_name(GM_E_BUSY) == std::string("GM_E_BUSY"));
  BOOST_TEST(gm_status_text(-777) != nullptr);
}

BOOST_AUTO_TEST_CASE(handles_may_be_freed_in_any_order) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    c.expect("generate");
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  client.reset();
  gm_chunk chunk = GM_CHUNK_INIT;
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, -1) == GM_E_STATE);
  gm_stream* more = nullptr;
  const gm_request request = request_for("y");
  BOOST_TEST(gm_generate(lease.get(), &request, &more) == GM_E_STATE);
  BOOST_TEST(gm_lease_release(lease.get(), -1, nullptr) == GM_E_STATE);
  gm_lease_info info = GM_LEASE_INFO_INIT;
  BOOST_TEST(gm_lease_get_info(lease.get(), &info) == GM_OK);
  BOOST_TEST(info.state == GM_LEASE_ENDED);
  BOOST_TEST(info.model == std::string("concept"));
  lease.reset();
  stream.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(a_forked_child_frees_and_sends_nothing) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    c.expect("models");  // the parent's: nothing came from the child in between
    c.chunk(request, 0, "still here");
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  const pid_t child = fork();
  if (child == 0) {
    gm_models* models = nullptr;
    gm_chunk chunk = GM_CHUNK_INIT;
    gm_lease* other = nullptr;
    char* text = nullptr;
    bool good = gm_models_get(client.get(), 1000, &models) == GM_E_FORKED &&
                gm_stream_next(stream.get(), &chunk, 0) == GM_E_FORKED &&
                gm_lease_acquire(client.get(), "a", nullptr, &other) == GM_E_FORKED &&
                gm_lease_release(lease.get(), 0, nullptr) == GM_E_FORKED &&
                gm_complete(lease.get(), "a", nullptr, &text, nullptr) == GM_E_FORKED &&
                gm_client_dispatch(client.get(), 0) == GM_E_FORKED &&
                gm_client_fd(client.get()) == -1;
    gm_client_interrupt(client.get());
    client.reset();
    stream.reset();
    lease.reset();
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
  gm_models* models = nullptr;
  BOOST_TEST(gm_models_get(client.get(), 20, &models) == GM_E_TIMEOUT);
  gm_chunk chunk = GM_CHUNK_INIT;
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, -1) == GM_OK);
  BOOST_TEST(std::string(chunk.text, chunk.text_len) == "still here");
}

BOOST_AUTO_TEST_CASE(models_are_listed) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    c.respond(c.expect("models"),
              {{"models",
                {{{"name", "concept"},
                  {"state", "ready"},
                  {"architecture", "qwen2"},
                  {"dtype", "bf16"},
                  {"parameters", 7000000000},
                  {"device_bytes", 15000000000},
                  {"context_tokens", 8192},
                  {"leases", 2},
                  {"waiting", 1},
                  {"load", {{"ms", 5}}}},
                 {{"name", "broken"}, {"state", "failed"}, {"dtype", nullptr}}}}});
    c.closes();
  });
  auto client = open_client(daemon);
  gm_models* raw = nullptr;
  BOOST_TEST(gm_models_get(client.get(), 0, &raw) == GM_E_INVALID);
  BOOST_REQUIRE(gm_models_get(client.get(), -1, &raw) == GM_OK);
  Owned<gm_models> models(raw);
  client.reset();  // the list lives on
  BOOST_TEST(gm_models_count(models.get()) == 2u);
  gm_model_info info = GM_MODEL_INFO_INIT;
  BOOST_REQUIRE(gm_models_at(models.get(), 0, &info) == GM_OK);
  BOOST_TEST(info.name == std::string("concept"));
  BOOST_TEST(info.architecture == std::string("qwen2"));
  BOOST_TEST(info.parameters == 7000000000u);
  BOOST_TEST(info.device_bytes == 15000000000u);
  BOOST_TEST(info.context_tokens == 8192u);
  BOOST_TEST(info.state == GM_MODEL_READY);
  BOOST_TEST(info.leases == 2u);
  BOOST_TEST(info.waiting == 1u);
  BOOST_REQUIRE(gm_models_at(models.get(), 1, &info) == GM_OK);
  BOOST_TEST(info.state == GM_MODEL_FAILED);
  BOOST_TEST(info.dtype == std::string());
  BOOST_TEST(gm_models_at(models.get(), 2, &info) == GM_E_INVALID);
}

BOOST_AUTO_TEST_CASE(what_the_daemon_lacks_is_not_sent) {
  FakeDaemon daemon([](Connection& c) {
    Incoming hello = c.expect("hello");
    c.respond(hello, {{"protocol", 1}});
    c.grant(c.expect("lease.acquire"));
    if (!c.closes()) throw std::runtime_error("something was sent");
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  gm_lease* other = nullptr;
  gm_lease_options lease_options = GM_LEASE_OPTIONS_INIT;
  lease_options.flags = GM_LEASE_WAIT_FOREIGN;
  BOOST_TEST(gm_lease_acquire(client.get(), "a", &lease_options, &other) == GM_E_UNSUPPORTED);
  char* text = nullptr;
  BOOST_TEST(gm_call_json(client.get(), "status", nullptr, 1000, &text) == GM_E_UNSUPPORTED);
  BOOST_TEST(gm_render(lease.get(), "[]", 1000, &text) == GM_E_UNSUPPORTED);
  const auto refused = [&](auto set) {
    gm_request request = request_for("x");
    set(request);
    gm_stream* stream = nullptr;
    return gm_generate(lease.get(), &request, &stream) == GM_E_UNSUPPORTED && stream == nullptr;
  };
  const gm_logit_bias bias{1, 1.0f};
  BOOST_TEST(refused([](gm_request& r) { r.json_schema = "{}"; }));
  BOOST_TEST(says("generate.json_schema"));
  BOOST_TEST(refused([](gm_request& r) { r.regex = "a"; }));
  BOOST_TEST(refused([](gm_request& r) { r.grammar = "a"; }));
  BOOST_TEST(refused([](gm_request& r) { r.logprobs = 1; }));
  BOOST_TEST(refused([](gm_request& r) { r.top_logprobs = 1; }));
  BOOST_TEST(refused([](gm_request& r) { r.presence_penalty = 1; }));
  BOOST_TEST(refused([&](gm_request& r) {
    r.logit_bias = &bias;
    r.logit_bias_count = 1;
  }));
  BOOST_TEST(refused([](gm_request& r) { r.deadline_ms = 1; }));
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_SUITE_END()
