// gpumodel.hpp: chunks, one by one, as a range, and as a range of results.
#include <algorithm>
#include <atomic>
#include <gpumodel.hpp>
#include <iterator>
#include <thread>
#include <type_traits>

#include "cxx_support.hpp"

using namespace gpumodel::test;
using namespace std::chrono_literals;

static_assert(std::is_nothrow_move_constructible_v<gpumodel::Stream>);
static_assert(!std::is_copy_constructible_v<gpumodel::Stream>);
#if __cplusplus >= 202002L
static_assert(std::input_iterator<gpumodel::Stream::Iterator>);
#endif

namespace {

// Streams "one", " two", " three", and ends with `ending`.
FakeDaemon::Script three_chunks(void (*ending)(Connection&, const Incoming&)) {
  return [ending](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    c.chunk(request, 0, "one");
    c.chunk(request, 1, " two", {4, 5});
    c.chunk(request, 2, " three");
    ending(c, request);
    c.closes();
  };
}

void finishes(Connection& c, const Incoming& request) { c.respond(request, finished()); }
void is_lost(Connection& c, const Incoming& request) { c.fail(request, -64, "engine_lost"); }

}  // namespace

BOOST_AUTO_TEST_SUITE(cxx_stream)

BOOST_AUTO_TEST_CASE(is_a_range_over_chunks) {
  FakeDaemon daemon(three_chunks(finishes));
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  std::string text;
  std::size_t tokens = 0;
  for (const auto& chunk : lease.stream("x")) {
    text += chunk.text;
    for (const std::int32_t token : chunk.tokens) tokens += static_cast<std::size_t>(token);
  }
  BOOST_TEST(text == "one two three");
  BOOST_TEST(tokens == 9u);
}

BOOST_AUTO_TEST_CASE(the_error_that_ends_it_is_thrown_once_chunks_are_told) {
  FakeDaemon daemon(three_chunks(is_lost));
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Stream stream = client.acquire("concept").stream("x");
  std::string text;
  const auto read = [&] {
    for (const gpumodel::Chunk& chunk : stream) text += chunk.text;
  };
  BOOST_CHECK_EXCEPTION(read(), gpumodel::Error, [](const gpumodel::Error& e) {
    return e.code() == GM_E_ENGINE_LOST && e.retryable();
  });
  BOOST_TEST(text == "one two three");
  BOOST_CHECK_THROW(read(), gpumodel::Error);
  BOOST_TEST((stream.summary().finish == gpumodel::Finish::error));
  BOOST_TEST(stream.summary().output_tokens == 2u);
}

BOOST_AUTO_TEST_CASE(a_loop_that_was_left_goes_on) {
  FakeDaemon daemon(three_chunks(finishes));
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Stream stream = client.acquire("concept").stream("x");
  for (const gpumodel::Chunk& chunk : stream) {
    BOOST_TEST(chunk.text == "one");
    break;
  }
  BOOST_TEST(stream.try_summary().error().code() == GM_E_STATE);
  const gpumodel::Completion rest = stream.read_all();
  BOOST_TEST(rest.text == " two three");
  BOOST_TEST((rest.summary.finish == gpumodel::Finish::stop));
  BOOST_TEST((stream.begin() == stream.end()));
}

BOOST_AUTO_TEST_CASE(results_are_a_range_too) {
  for (const bool lost : {false, true}) {
    FakeDaemon daemon(three_chunks(lost ? is_lost : finishes));
    gpumodel::Client client = open_cxx(daemon);
    gpumodel::Stream stream = client.acquire("concept").stream("x");
    std::string text;
    int errors = 0;
    for (const gpumodel::Result<gpumodel::Chunk>& chunk : stream.try_chunks()) {
      if (chunk) {
        BOOST_TEST(errors == 0);
        text += chunk->text;
      } else {
        ++errors;
        BOOST_TEST(chunk.error().code() == GM_E_ENGINE_LOST);
      }
    }
    BOOST_TEST(text == "one two three");
    BOOST_TEST(errors == (lost ? 1 : 0));
  }
}

BOOST_AUTO_TEST_CASE(log_probabilities_are_views) {
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
    c.respond(request, finished());
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  gpumodel::GenerateOptions options;
  options.logprobs = true;
  options.top_logprobs = 2;
  gpumodel::Stream stream = lease.stream("x", options);
  gpumodel::Chunk chunk;
  BOOST_TEST((stream.next(chunk) == gpumodel::Next::chunk));
  BOOST_TEST(chunk.text == "h\xc3\xa9");
  BOOST_REQUIRE(chunk.tokens.size() == 2u);
  BOOST_TEST(chunk.tokens[1] == 300);
  BOOST_TEST(chunk.logprobs[1] == -1.0f);
  BOOST_REQUIRE(chunk.top_tokens.size() == 4u);
  BOOST_TEST(chunk.top_tokens[3] == 7);
  BOOST_TEST(chunk.top_logprobs[3] == -3.0f);
  BOOST_TEST((stream.next(chunk) == gpumodel::Next::end));
  BOOST_TEST(lease.try_complete("x", options).error().code() == GM_E_INVALID);
}

BOOST_AUTO_TEST_CASE(a_limit_that_passes_is_not_the_end) {
  std::atomic<bool> go{false};
  FakeDaemon daemon([&](Connection& c) {
    c.greet_and_grant();
    const Incoming request = c.expect("generate");
    while (!go) std::this_thread::sleep_for(1ms);
    c.chunk(request, 0, "late");
    c.expect("cancel");
    c.respond(request, finished("cancelled"));
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  gpumodel::Stream stream = lease.stream("x");
  gpumodel::Chunk chunk;
  BOOST_TEST((stream.next(chunk, 0ms) == gpumodel::Next::again));
  BOOST_TEST(
      (stream.next(chunk, std::chrono::steady_clock::now() + 20ms) == gpumodel::Next::again));
  BOOST_TEST(chunk.tokens.empty());
  BOOST_TEST(chunk.logprobs.empty());
  go = true;
  BOOST_TEST((stream.next(chunk) == gpumodel::Next::chunk));
  BOOST_TEST(chunk.text == "late");
  stream.cancel();
  stream.cancel();
  BOOST_TEST((stream.next(chunk, 10s) == gpumodel::Next::end));
  BOOST_TEST((stream.summary().finish == gpumodel::Finish::cancelled));
}

BOOST_AUTO_TEST_CASE(every_kind_of_input_is_sent_as_it_is) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const std::vector<std::pair<std::string, json>> expected = {
        {"prompt", std::string("a\0b", 3)},
        {"prompt", ""},
        {"messages", json::array({{{"role", "user"}, {"content", "Hi"}}})},
        {"messages_json", "[]"},
        {"tokens", {5, 300}}};
    for (const auto& [key, value] : expected) {
      const Incoming request = c.expect("generate");
      if (request.params.at(key) != value || request.params.at("stream") != true)
        throw std::runtime_error("sent: " + request.params.dump());
      c.respond(request, finished());
    }
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  BOOST_TEST(lease.stream(std::string_view("a\0b", 3)).read_all().text.empty());
  BOOST_TEST(lease.stream("").read_all().text.empty());
  BOOST_TEST(lease.stream_chat({{"user", "Hi"}}).read_all().text.empty());
  BOOST_TEST(lease.stream_json("[]").read_all().text.empty());
  BOOST_TEST(lease.stream_tokens({5, 300}).read_all().text.empty());
  client.close();
  daemon.join();
}

BOOST_AUTO_TEST_CASE(freeing_a_running_stream_cancels_it) {
  FakeDaemon daemon([](Connection& c) {
    c.greet_and_grant();
    const Incoming first = c.expect("generate");
    c.chunk(first, 0, "a");
    c.expect("cancel");
    c.respond(first, finished("cancelled"));
    c.closes();
  });
  gpumodel::Client client = open_cxx(daemon);
  gpumodel::Lease lease = client.acquire("concept");
  for (const gpumodel::Chunk& chunk : lease.stream("x")) {
    BOOST_TEST(chunk.text == "a");
    break;
  }
  client.close();
  daemon.join();
}

BOOST_AUTO_TEST_SUITE_END()
