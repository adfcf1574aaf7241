// Daemons that break the protocol or die, in every state that the library can be in. Each gives one
// clear error, no crash and no hang, and the same error ever after.
#include <vector>

#include "handles.hpp"
#include "lies.hpp"

using namespace gpumodel::test;

namespace {

using Call = gm_status (*)(gm_client*, gm_lease*);

// One waiting call of each kind, and the method that it sends.
struct State {
  const char* method;
  Call call;
};

const State kStates[] = {
    {"models",
     [](gm_client* client, gm_lease*) {
       gm_models* models = nullptr;
       return gm_models_get(client, -1, &models);
     }},
    {"call_json",
     [](gm_client* client, gm_lease*) {
       char* text = nullptr;
       return gm_call_json(client, "status", nullptr, -1, &text);
     }},
    {"lease.acquire",
     [](gm_client* client, gm_lease*) {
       gm_lease* lease = nullptr;
       return gm_lease_acquire(client, "other", nullptr, &lease);
     }},
    {"lease.release",
     [](gm_client*, gm_lease* lease) { return gm_lease_release(lease, -1, nullptr); }},
    {"tokenize",
     [](gm_client*, gm_lease* lease) {
       std::int32_t* tokens = nullptr;
       std::size_t count = 0;
       return gm_tokenize(lease, "x", 0, -1, &tokens, &count);
     }},
    {"render",
     [](gm_client*, gm_lease* lease) {
       char* text = nullptr;
       return gm_render(lease, "[]", -1, &text);
     }},
    {"generate",
     [](gm_client*, gm_lease* lease) {
       char* text = nullptr;
       return gm_complete(lease, "x", nullptr, &text, nullptr);
     }},
    {"generate", [](gm_client*, gm_lease* lease) {
       const gm_request request = request_for("x");
       gm_stream* stream = nullptr;
       gm_status status = gm_generate(lease, &request, &stream);
       gm_chunk chunk = GM_CHUNK_INIT;
       while (status == GM_OK) status = gm_stream_next(stream, &chunk, -1);
       gm_stream_free(stream);
       return status;
     }}};

}  // namespace

BOOST_AUTO_TEST_SUITE(liar)

BOOST_AUTO_TEST_CASE(in_hello) {
  for (const Lie& lie : lies(1)) {
    FakeDaemon daemon([&](Connection& c) {
      c.expect("hello");
      c.send(lie.bytes);
      c.hang_up();
    });
    gm_client_options options = options_for(daemon);
    gm_client* client = nullptr;
    BOOST_TEST_CONTEXT(lie.name) { BOOST_TEST(gm_client_open(&options, &client) == lie.expected); }
    daemon.join();
  }
}

BOOST_AUTO_TEST_CASE(in_every_state) {
  for (const State& state : kStates) {
    for (const Lie& lie : lies(3)) {
      FakeDaemon daemon([&](Connection& c) {
        c.greet_and_grant();
        c.expect(state.method);
        c.send(lie.bytes);
        c.hang_up();
      });
      auto client = open_client(daemon);
      auto lease = acquire(client);
      const int fd = gm_client_fd(client.get());
      BOOST_TEST_CONTEXT(state.method << ", " << lie.name) {
        BOOST_TEST(state.call(client.get(), lease.get()) == lie.expected);
        gm_models* models = nullptr;
        BOOST_TEST(gm_models_get(client.get(), -1, &models) == lie.expected);
        gm_lease* other = nullptr;
        BOOST_TEST(gm_lease_acquire(client.get(), "a", nullptr, &other) == lie.expected);
        BOOST_TEST(gm_client_dispatch(client.get(), 0) == lie.expected);
        BOOST_TEST(gm_client_fd(client.get()) == fd);
      }
      daemon.join();
    }
  }
}

BOOST_AUTO_TEST_CASE(grants_that_do_not_fit_the_request) {
  const json row = {{"lease", 1}, {"epoch", 1}, {"model", "a"}, {"context_tokens", 10}};
  for (const json& rows :
       {json::array(), json::array({row}), json::array({row, row, row}),
        json::array({row, {{"lease", -1}, {"epoch", 1}}}), json::array({row, 5})}) {
    FakeDaemon daemon([&](Connection& c) {
      c.greet();
      c.respond(c.expect("lease.acquire"), {{"leases", rows}});
      c.closes();
    });
    auto client = open_client(daemon);
    const char* names[] = {"a", "b"};
    gm_lease* leases[2] = {};
    BOOST_TEST(gm_lease_acquire_all(client.get(), names, 2, nullptr, leases) == GM_E_PROTOCOL);
    BOOST_TEST(leases[0] == nullptr);
  }
}

BOOST_AUTO_TEST_CASE(chunks_that_do_not_fit) {
  const std::vector<json> chunks = {
      {{"seq", 1}, {"text", "x"}},
      {{"text", "x"}},
      {{"seq", 0}, {"text", 5}},
      {{"seq", 0}, {"tokens", {-1}}},
      {{"seq", 0}, {"tokens", {1ull << 31}}},
      {{"seq", 0}, {"tokens", {1}}},
      {{"seq", 0}, {"tokens", {1}}, {"logprobs", {1, 2}}},
      {{"seq", 0}, {"tokens", {1}}, {"logprobs", {"x"}}},
      {{"seq", 0},
       {"tokens", {1}},
       {"logprobs", {-1}},
       {"top_tokens", {1}},
       {"top_logprobs", {1, 2}}},
      {{"seq", 0}, {"tokens", {1}}, {"logprobs", {-1}}, {"top_tokens", {1, 2}}}};
  for (const json& chunk : chunks) {
    FakeDaemon daemon([&](Connection& c) {
      c.greet_and_grant();
      json params = chunk;
      params["request"] = c.expect("generate").id;
      c.notify("generate.chunk", params);
      c.closes();
    });
    auto client = open_client(daemon);
    auto lease = acquire(client);
    gm_request request = request_for("x");
    request.logprobs = 1;
    request.top_logprobs = 2;
    auto stream = generate(lease, request);
    gm_chunk out = GM_CHUNK_INIT;
    BOOST_TEST(gm_stream_next(stream.get(), &out, -1) == GM_E_PROTOCOL, chunk.dump());
  }
}

BOOST_AUTO_TEST_CASE(a_second_answer) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming request = c.expect("models");
    c.respond(request, {{"models", json::array()}});
    c.expect("models");
    c.respond(request, {{"models", json::array()}});
    c.closes();
  });
  auto client = open_client(daemon);
  gm_models* models = nullptr;
  BOOST_TEST(gm_models_get(client.get(), -1, &models) == GM_OK);
  gm_models_free(models);
  BOOST_TEST(gm_models_get(client.get(), -1, &models) == GM_E_PROTOCOL);
}

BOOST_AUTO_TEST_CASE(what_later_versions_add_is_ignored) {
  FakeDaemon daemon([](Connection& c) {
    c.greet();
    const Incoming request = c.expect("models");
    c.notify("lease.moved", {{"seq", 1}});
    c.notify("lease.progress", {{"request", 999}, {"phase", "queued"}});
    c.respond(request, {{"models", json::array()}, {"more", {{"a", 1}}}});
    c.closes();
  });
  auto client = open_client(daemon);
  gm_models* models = nullptr;
  BOOST_TEST(gm_models_get(client.get(), -1, &models) == GM_OK);
  gm_models_free(models);
}

BOOST_AUTO_TEST_SUITE_END()
