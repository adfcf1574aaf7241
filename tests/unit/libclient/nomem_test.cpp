// Every allocation of the library, and of msgpack-c inside it, fails once. The linker sends both
// through the wrappers below (--wrap); only the thread under test counts.
#include <cstdlib>
#include <functional>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_realloc(void* pointer, std::size_t size);
char* __real_strdup(const char* text);
}

namespace {

thread_local bool counting = false;
thread_local long countdown = 0;  // the allocation that fails; 0: none
thread_local long counted = 0;

bool fails() { return counting && ++counted == countdown; }

}  // namespace

extern "C" {
void* __wrap_malloc(std::size_t size) { return fails() ? nullptr : __real_malloc(size); }
void* __wrap_calloc(std::size_t count, std::size_t size) {
  return fails() ? nullptr : __real_calloc(count, size);
}
void* __wrap_realloc(void* pointer, std::size_t size) {
  return fails() ? nullptr : __real_realloc(pointer, size);
}
char* __wrap_strdup(const char* text) { return fails() ? nullptr : __real_strdup(text); }
}

namespace {

// The library's part of a scenario: what it answered wrongly, or "".
using Scenario = std::function<std::string(const FakeDaemon&)>;

// Runs `scenario` with the 1st, 2nd, ... allocation failing until one run has too few for that. The
// daemon's script lives as long as the client likes.
void sweep(const FakeDaemon::Script& script, const Scenario& scenario) {
  for (long nth = 1;; ++nth) {
    BOOST_REQUIRE(nth < 500);
    std::string fault;
    long seen = 0;
    {
      FakeDaemon daemon(std::vector<FakeDaemon::Script>(3, script));
      counted = 0;
      countdown = nth;
      counting = true;
      fault = scenario(daemon);
      counting = false;
      seen = counted;
    }
    BOOST_TEST(fault.empty(), "allocation " << nth << ": " << fault);
    if (seen < nth) {
      BOOST_TEST(nth > 3);
      return;
    }
  }
}

// Calls until it is not GM_E_NOMEM: a failed call has changed nothing, so that it may be repeated.
gm_status insist(const std::function<gm_status()>& call) {
  gm_status status = GM_E_NOMEM;
  for (int i = 0; i < 5 && status == GM_E_NOMEM; ++i) status = call();
  return status;
}

std::string wrong(const char* what, gm_status status) {
  counting = false;
  return std::string(what) + " gave " + gm_status_name(status);
}

gm_status open_quietly(const FakeDaemon& daemon, gm_client** client) {
  gm_client_options options = options_for(daemon);
  options.on_event = [](gm_client*, const gm_event*, void*) {};
  return gm_client_open(&options, client);
}

std::string use_everything(const FakeDaemon& daemon) {
  gm_client* client = nullptr;
  // A hello whose answer is lost cannot be repeated on the same connection.
  gm_status status = insist([&] { return open_quietly(daemon, &client); });
  if (status != GM_OK) return wrong("open", status);
  gm_models* models = nullptr;
  status = insist([&] { return gm_models_get(client, -1, &models); });
  if (status != GM_OK) return wrong("models", status);
  gm_models_free(models);
  status = insist([&] { return gm_subscribe(client, 1, -1); });
  if (status != GM_OK) return wrong("subscribe", status);
  gm_lease* lease = nullptr;
  status = insist([&] { return gm_lease_acquire(client, "concept", nullptr, &lease); });
  if (status != GM_OK) return wrong("acquire", status);
  char* text = nullptr;
  status = insist([&] { return gm_complete(lease, "x", nullptr, &text, nullptr); });
  if (status != GM_OK) return wrong("complete", status);
  gm_free(text);
  std::int32_t* tokens = nullptr;
  std::size_t count = 0;
  status = insist([&] { return gm_tokenize(lease, "x", 0, -1, &tokens, &count); });
  if (status != GM_OK) return wrong("tokenize", status);
  gm_free(tokens);
  gm_request request = request_for("x");
  gm_stream* stream = nullptr;
  status = insist([&] { return gm_generate(lease, &request, &stream); });
  if (status != GM_OK) return wrong("generate", status);
  gm_chunk chunk = GM_CHUNK_INIT;
  int chunks = 0;
  while ((status = insist([&] { return gm_stream_next(stream, &chunk, -1); })) == GM_OK) ++chunks;
  if (status != GM_END || chunks != 3) return wrong("stream", status);
  gm_stream_free(stream);
  status = insist([&] { return gm_lease_release(lease, -1, nullptr); });
  if (status != GM_OK) return wrong("release", status);
  gm_lease_free(lease);
  gm_client_close(client);
  return "";
}

std::string fail_and_give_up(const FakeDaemon& daemon) {
  gm_client* client = nullptr;
  gm_status status = insist([&] { return open_quietly(daemon, &client); });
  if (status != GM_OK) return wrong("open", status);
  const std::string prompt(3000, 'p');
  gm_lease* leases[2] = {};
  const char* names[] = {"a", "b"};
  status = insist([&] { return gm_lease_begin(client, names, 2, nullptr, leases); });
  if (status != GM_OK) return wrong("begin", status);
  status = GM_AGAIN;
  while (status == GM_AGAIN || status == GM_E_NOMEM) status = gm_lease_poll(leases[1]);
  if (status != GM_OK) return wrong("poll", status);
  char* text = nullptr;
  status = insist([&] { return gm_complete(leases[0], prompt.c_str(), nullptr, &text, nullptr); });
  if (status != GM_E_BAD_REQUEST) return wrong("complete", status);
  status = insist([&] { return gm_last_error_json(&text); });
  if (status != GM_OK) return wrong("last_error_json", status);
  gm_free(text);
  gm_request request = request_for(prompt.c_str());
  gm_stream* stream = nullptr;
  status = insist([&] { return gm_generate(leases[0], &request, &stream); });
  if (status != GM_OK) return wrong("generate", status);
  gm_stream_free(stream);  // cancels
  gm_lease_free(leases[0]);
  gm_lease_free(leases[1]);
  gm_client_interrupt(client);
  gm_lease* lease = nullptr;
  // The interrupt is taken by the first wait, which an allocation may prevent.
  status = insist([&] { return gm_lease_acquire(client, "a", nullptr, &lease); });
  if (status != GM_E_INTERRUPTED) return wrong("interrupted acquire", status);
  gm_client_close(client);
  return "";
}

// What every scenario's daemon does, until the client closes. A second connection follows where the
// first hello was lost.
void serve(Connection& c) {
  c.greet({"events"});
  for (;;) {
    const Incoming m = c.next();
    if (m.type == 2) continue;
    if (m.method == "models")
      c.respond(m, {{"models", {{{"name", "concept"}, {"state", "ready"}}}}});
    if (m.method == "lease.acquire") {
      c.notify("lease.progress", {{"request", m.id}, {"phase", "queued"}, {"position", 1}});
      c.grant(m);
      c.notify("lease.suspended", {{"lease", 7}});
      c.notify("lease.resumed", {{"lease", 7}});
      c.notify("event", {{"seq", 2}, {"type", "resumed"}, {"model", "concept"}});
    }
    if (m.method == "events.subscribe") {
      c.notify("event", {{"seq", 1}, {"type", "loaded"}, {"model", "concept"}});
      c.respond(m, {{"next_seq", 1}});
    }
    if (m.method == "lease.release") c.release(m);
    if (m.method == "tokenize") c.respond(m, {{"tokens", {1, 2, 3}}});
    if (m.method != "generate") continue;
    json result = finished();
    result["text"] = "answer";
    for (int seq = 0; m.params.contains("stream") && seq < 3; ++seq) c.chunk(m, seq, "x", {seq});
    if (m.params.at("prompt").get<std::string>().size() > 1000) {
      c.fail(m, -61, "bad_request", {{"why", {"long", "detail"}}});
    } else {
      c.respond(m, result);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nomem)

BOOST_AUTO_TEST_CASE(a_program_that_insists_gets_everything) { sweep(serve, use_everything); }

BOOST_AUTO_TEST_CASE(failures_and_giving_up) { sweep(serve, fail_and_give_up); }

BOOST_AUTO_TEST_CASE(the_error_itself_needs_no_memory) {
  counted = 0;
  countdown = 1;
  counting = true;
  gm_client* client = nullptr;
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = "/nonexistent/api.sock";
  const gm_status status = gm_client_open(&options, &client);
  counting = false;
  BOOST_TEST(status == GM_E_NOMEM);
  BOOST_TEST(last_error().status == GM_E_NOMEM);
}

BOOST_AUTO_TEST_SUITE_END()
