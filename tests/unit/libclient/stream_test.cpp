#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "handles.hpp"

using namespace gpumodel::test;

namespace {

std::string read_all(gm_stream* stream, gm_status* end, int* chunks = nullptr) {
  std::string text;
  gm_chunk chunk = GM_CHUNK_INIT;
  while ((*end = gm_stream_next(stream, &chunk, GM_WAIT_FOREVER)) == GM_OK) {
    text.append(chunk.text, chunk.text_len);
    if (chunks != nullptr) ++*chunks;
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(stream)

BOOST_AUTO_TEST_CASE(gives_chunks_then_the_end_then_the_result) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    c.notify("generate.chunk", {{"request", request.id},
                                {"seq", 0},
                                {"text", "h\xc3\xa9"},
                                {"tokens", {5, 300}},
                                {"logprobs", {-0.5, -1}},
                                {"top_tokens", {5, 6, 300, 7}},
                                {"top_logprobs", {-0.5, -2.0, -1.0, -3.0}}});
    c.chunk(request, 1, "llo");
    c.respond(request, finished());
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  gm_request request = request_for("x");
  request.logprobs = 1;
  request.top_logprobs = 2;
  auto stream = generate(lease, request);
  gm_result result = GM_RESULT_INIT;
  BOOST_TEST(gm_stream_result(stream.get(), &result) == GM_E_STATE);
  gm_chunk chunk = GM_CHUNK_INIT;
  BOOST_REQUIRE(gm_stream_next(stream.get(), &chunk, -1) == GM_OK);
  BOOST_TEST(std::string(chunk.text, chunk.text_len) == "h\xc3\xa9");
  BOOST_REQUIRE(chunk.token_count == 2u);
  BOOST_TEST(chunk.tokens[1] == 300);
  BOOST_TEST(chunk.logprobs[1] == -1.0f);
  BOOST_TEST(chunk.top_tokens[3] == 7);
  BOOST_TEST(chunk.top_logprobs[3] == -3.0f);
  BOOST_REQUIRE(gm_stream_next(stream.get(), &chunk, -1) == GM_OK);
  BOOST_TEST(chunk.token_count == 0u);
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, -1) == GM_END);
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, -1) == GM_END);
  BOOST_REQUIRE(gm_stream_result(stream.get(), &result) == GM_OK);
  BOOST_TEST(result.finish == GM_FINISH_STOP);
  BOOST_TEST(result.prompt_tokens == 4u);
  BOOST_TEST(result.cached_tokens == 1u);
  BOOST_TEST(result.total_us == 30u);
}

BOOST_AUTO_TEST_CASE(ten_thousand_chunks_in_single_bytes) {
  // Every message in pieces of one byte for a while, then as fast as the socket takes them.
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    for (int seq = 0; seq < 10000; ++seq) {
      const json params = {{"request", request.id}, {"seq", seq}, {"text", "x"}, {"tokens", {seq}}};
      c.send(packed({2, "generate.chunk", json::array({params})}), seq < 100 ? 1 : SIZE_MAX);
    }
    c.respond(request, finished());
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  gm_status end = GM_OK;
  int chunks = 0;
  BOOST_TEST(read_all(stream.get(), &end, &chunks).size() == 10000u);
  BOOST_TEST(end == GM_END);
  BOOST_TEST(chunks == 10000);
}

BOOST_AUTO_TEST_CASE(a_limit_that_passes_is_not_the_end) {
  std::atomic<bool> go{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    c.chunk(request, 0, "late");
    c.respond(request, finished("length"));
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  gm_chunk chunk = GM_CHUNK_INIT;
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, 0) == GM_AGAIN);
  const auto before = std::chrono::steady_clock::now();
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, 50) == GM_AGAIN);
  BOOST_TEST((std::chrono::steady_clock::now() - before >= std::chrono::milliseconds(50)));
  go = true;
  gm_status end = GM_OK;
  BOOST_TEST(read_all(stream.get(), &end) == "late");
  BOOST_TEST(end == GM_END);
}

BOOST_AUTO_TEST_CASE(cancel_is_sent_once_and_ends_it) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    c.chunk(request, 0, "par");
    if (c.expect("cancel").params.at("request") != request.id)
      throw std::runtime_error("wrong one");
    c.respond(request, finished("cancelled"));
    if (!c.closes()) throw std::runtime_error("cancelled twice");
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  BOOST_TEST(gm_stream_cancel(stream.get()) == GM_OK);
  BOOST_TEST(gm_stream_cancel(stream.get()) == GM_OK);
  gm_status end = GM_OK;
  BOOST_TEST(read_all(stream.get(), &end) == "par");
  BOOST_TEST(end == GM_END);
  gm_result result = GM_RESULT_INIT;
  BOOST_TEST(gm_stream_result(stream.get(), &result) == GM_OK);
  BOOST_TEST(result.finish == GM_FINISH_CANCELLED);
  BOOST_TEST(gm_stream_cancel(stream.get()) == GM_OK);
  stream.reset();
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(an_error_ends_it_and_stays) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    c.chunk(request, 0, "some", {1, 2});
    c.fail(request, -64, "engine_lost");
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  gm_status end = GM_OK;
  BOOST_TEST(read_all(stream.get(), &end) == "some");
  BOOST_TEST(end == GM_E_ENGINE_LOST);
  BOOST_TEST(last_error().retryable == 1u);
  gm_chunk chunk = GM_CHUNK_INIT;
  BOOST_TEST(gm_stream_next(stream.get(), &chunk, 0) == GM_E_ENGINE_LOST);
  gm_result result = GM_RESULT_INIT;
  BOOST_TEST(gm_stream_result(stream.get(), &result) == GM_OK);
  BOOST_TEST(result.finish == GM_FINISH_ERROR);
  BOOST_TEST(result.output_tokens == 2u);
}

BOOST_AUTO_TEST_CASE(an_unread_stream_is_overrun_and_others_live) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    const Incoming models = c.expect("models");
    for (int seq = 0; seq < 12; ++seq) c.chunk(request, seq, std::string(1 << 20, 'x'));
    c.respond(models, {{"models", json::array()}});
    c.expect("cancel");
    c.respond(request, finished("cancelled"));
    c.respond(c.expect("models"), {{"models", json::array()}});
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for("x"));
  for (int i = 0; i < 2; ++i) {
    gm_models* models = nullptr;
    BOOST_TEST(gm_models_get(client.get(), -1, &models) == GM_OK);
    gm_models_free(models);
  }
  gm_status end = GM_OK;
  const std::size_t size = read_all(stream.get(), &end).size();
  BOOST_TEST(end == GM_E_OVERRUN);
  BOOST_TEST(size <= std::size_t{8} << 20);
  BOOST_TEST(size >= std::size_t{7} << 20);
}

BOOST_AUTO_TEST_CASE(a_large_request_passes_a_slow_daemon) {
  // More than the socket holds: the rest goes out while the library waits.
  const std::string prompt(4 << 20, 'p');
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const Incoming request = c.expect("generate");
    if (request.params.at("prompt").get_ref<const std::string&>() != prompt) {
      throw std::runtime_error("the prompt was damaged");
    }
    c.expect("cancel");
    c.respond(request, finished("cancelled"));
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  auto stream = generate(lease, request_for(prompt.c_str()));
  BOOST_TEST(gm_stream_cancel(stream.get()) == GM_OK);
  gm_status end = GM_OK;
  BOOST_TEST(read_all(stream.get(), &end).empty());
  BOOST_TEST(end == GM_END);
  client.reset();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(freeing_a_running_stream_leaves_the_connection_usable) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming first = c.expect("generate");
    c.chunk(first, 0, "a");
    c.expect("cancel");
    const Incoming second = c.expect("generate");
    c.chunk(first, 1, "still going");
    c.respond(first, finished("cancelled"));
    c.chunk(second, 0, "b");
    c.respond(second, finished());
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  generate(lease, request_for("x"));
  auto stream = generate(lease, request_for("y"));
  gm_status end = GM_OK;
  BOOST_TEST(read_all(stream.get(), &end) == "b");
  BOOST_TEST(end == GM_END);
}

BOOST_AUTO_TEST_CASE(a_deadline_is_no_error_for_complete) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    json result = finished("deadline");
    result["text"] = std::string("half\0way", 8);
    c.respond(c.expect("generate"), result);
    c.closes();
  });
  auto client = open_client(daemon);
  auto lease = acquire(client);
  char* text = nullptr;
  gm_result result = GM_RESULT_INIT;
  BOOST_REQUIRE(gm_complete(lease.get(), "x", nullptr, &text, &result) == GM_OK);
  BOOST_TEST(result.finish == GM_FINISH_DEADLINE);
  BOOST_TEST(result.text_len == 8u);
  BOOST_TEST(text[8] == '\0');
  gm_free(text);
}

BOOST_AUTO_TEST_SUITE_END()
