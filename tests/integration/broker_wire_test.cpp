// Hostile and clumsy clients: what they send, what they do not read, and how many they are.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>

#include "support/daemon_fixture.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using wire::Code;
using namespace std::string_literals;

namespace {

struct Malformed {
  const char* name;
  std::string bytes;
};
std::ostream& operator<<(std::ostream& out, const Malformed& malformed) {
  return out << malformed.name;
}

const Malformed kMalformed[] = {
    {"an array that claims 64 M elements in five bytes", "\xdd\x04\x00\x00\x00"s},
    {"a string longer than a message", "\x94\x00\x01\xdb\x7f\xff\xff\xff"s},
    {"a nested bomb", "\x94\x00\x01\xa1x"s + std::string(100, '\x91')},
    {"no MessagePack", "\xc1"s},
    {"text", "GET / HTTP/1.1\r\n\r\n"s},
    {"an integer", "\x01"s},
    {"an empty array", "\x90"s},
    {"a message type that there is not", "\x94\x07\x01\xa1x\x91\x80"s},
    {"params that are no array of one map", "\x94\x00\x01\xa5hello\x90"s},
    {"a negative id", "\x94\x00\xff\xa5hello\x91\x80"s},
    {"a method that is no string", "\x94\x00\x01\x05\x91\x80"s},
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(broker_wire, DaemonFixture)

BOOST_DATA_TEST_CASE(a_malformed_message_gets_one_error_and_the_connection_closes,
                     boost::unit_test::data::make(kMalformed)) {
  start();
  auto other = client();
  other.hello();
  auto peer = client();
  peer.send_bytes(sample.bytes);
  const wire::Frame frame = peer.read_frame();
  BOOST_TEST((frame.kind == wire::Frame::Kind::response));
  BOOST_TEST(frame.id == 0u);
  BOOST_TEST((wire::decode_error(frame.error).code == Code::protocol));
  BOOST_TEST(peer.reaches_end());
  BOOST_TEST(other.call<broker::status::Models>("models", wire::Empty{}).models.empty());
}

BOOST_AUTO_TEST_CASE(half_a_message_is_waited_for_and_then_forgotten) {
  start();
  auto peer = client();
  std::string message;
  wire::append_request(message, 7, "hello", wire::HelloParams{});
  peer.send_bytes(message.substr(0, 5));
  BOOST_TEST(status().schema == 1);  // others are served meanwhile
  peer.send_bytes(message.substr(5));
  BOOST_TEST(peer.read_frame().id == 7u);
  peer.send_bytes(message.substr(0, 5));
  ::shutdown(peer.fd(), SHUT_WR);
  BOOST_TEST(peer.reaches_end());
}

BOOST_AUTO_TEST_CASE(responses_and_unknown_notifications_are_ignored) {
  start();
  auto peer = client();
  std::string bytes;
  wire::append_response(bytes, 3, wire::Empty{});
  wire::append_notification(bytes, "what.is.this", wire::Empty{});
  wire::append_notification(bytes, "cancel", wire::CancelParams{99});
  peer.send_bytes(bytes);
  BOOST_TEST(peer.hello().protocol == 1);
}

BOOST_AUTO_TEST_CASE(a_silent_connection_is_closed_after_its_first_five_seconds) {
  start();
  auto peer = client();
  const auto begun = std::chrono::steady_clock::now();
  BOOST_TEST(peer.reaches_end());
  BOOST_TEST((std::chrono::steady_clock::now() - begun > std::chrono::seconds(4)));
}

BOOST_AUTO_TEST_CASE(a_user_has_sixty_four_connections) {
  start();
  std::vector<WireClient> peers;
  for (int i = 0; i < 64; ++i) {
    peers.push_back(client());
    peers.back().hello();
  }
  auto surplus = client();
  const wire::Frame frame = surplus.read_frame();
  BOOST_TEST(frame.id == 0u);
  BOOST_TEST((wire::decode_error(frame.error).code == Code::quota));
  BOOST_TEST(surplus.reaches_end());
  peers.pop_back();
  BOOST_TEST(eventually([&] {
    try {
      return client().hello().protocol == 1;
    } catch (const std::exception&) {
      return false;
    }
  }));
}

BOOST_AUTO_TEST_CASE(a_connection_without_a_descriptor_for_it_is_refused_in_words,
                     *boost::unit_test::precondition(without_sanitizer)) {
  start("[limits]\nconnections = 1000\n");
  auto first = client();
  first.hello();
  const rlimit few{24, 24};
  BOOST_REQUIRE(::prlimit(pid(), RLIMIT_NOFILE, &few, nullptr) == 0);
  std::vector<WireClient> peers;
  bool refused = false;
  for (int i = 0; i < 30 && !refused; ++i) {
    peers.push_back(client());
    WireClient& probe = peers.back();
    std::string hello;
    wire::append_request(hello, 5, "hello", wire::HelloParams{});
    try {
      probe.send_bytes(hello);
    } catch (const std::system_error&) {
      // Closed already; what it was told can still be read.
    }
    const wire::Frame frame = probe.read_frame();
    if (frame.error.type == msgpack::type::NIL) continue;
    refused = true;
    BOOST_TEST(frame.id == 0u);
    BOOST_TEST((wire::decode_error(frame.error).code == Code::quota));
    BOOST_TEST(probe.reaches_end());
  }
  BOOST_TEST(refused);
  BOOST_TEST(first.call<broker::status::Status>("status", wire::Empty{}).schema == 1);
  peers.clear();
  BOOST_TEST(eventually([&] {
    try {
      return client().hello().protocol == 1;
    } catch (const std::exception&) {
      return false;
    }
  }));
}

BOOST_AUTO_TEST_CASE(a_connection_has_so_many_open_requests_and_no_more) {
  model("m", R"({"token_ms": 1000})");
  start("[devices.cpu]\nmemory = \"64 MiB\"\n[limits]\nin_flight = 2\n");
  auto peer = client();
  BOOST_TEST(peer.hello().limits.in_flight == 2u);
  const auto lease = peer.acquire("m");
  const auto first = peer.generate(lease, "hello", 100),
             second = peer.generate(lease, "hello", 100);
  BOOST_TEST((peer.wait(peer.generate(lease, "hello", 100)).error().code == Code::quota));
  peer.cancel(first);
  BOOST_TEST(peer.wait(first).result<wire::GenerateResult>().finish == "cancelled");
  const auto third = peer.generate(lease, "hello", 100);
  peer.cancel(second);
  peer.cancel(third);
  BOOST_TEST(peer.wait(second).result<wire::GenerateResult>().finish == "cancelled");
  BOOST_TEST(peer.wait(third).result<wire::GenerateResult>().finish == "cancelled");
}

BOOST_AUTO_TEST_CASE(an_id_that_is_still_open_is_refused) {
  model("m", R"({"token_ms": 1000})");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const auto open = peer.generate(lease, "hello", 100);
  std::string again;
  wire::append_request(again, open, "status", wire::Empty{});
  peer.send_bytes(again);
  BOOST_TEST((peer.wait(open).error().code == Code::invalid));
  peer.cancel(open);
  BOOST_TEST(peer.wait(open).result<wire::GenerateResult>().finish == "cancelled");
}

BOOST_AUTO_TEST_CASE(a_client_that_never_reads_its_stream_loses_it_and_memory_stays_bounded) {
  const std::string word(32 * 1024, 'x');
  model("m", R"({"context_tokens": 1000000, "kv_bytes_per_token": 1, "token_ms": 4})");
  start();
  auto slow = client(), other = client();
  const auto before = resident_bytes(pid());
  const auto lease = slow.acquire("m");
  const auto id = slow.generate(lease, word, -1, /*stream=*/true);  // each chunk repeats the word
  const auto shared = other.acquire("m");
  BOOST_TEST(other.wait(other.generate(shared, "a", 2)).result<wire::GenerateResult>().finish ==
             "length");
  // Idle, though nobody has read: the engine was told to stop.
  BOOST_REQUIRE(eventually([&] {
    const auto leases = status().leases;
    return std::any_of(leases.begin(), leases.end(), [&](const broker::status::Lease& row) {
      return row.id == lease.lease && row.idle_ms > 0;
    });
  }));
  BOOST_TEST((kSanitized || resident_bytes(pid()) < before + 2 * wire::kOutputCloseBytes));
  BOOST_TEST((slow.wait(id).error().code == Code::overrun));
  BOOST_TEST(slow.wait(slow.generate(lease, "a", 2)).result<wire::GenerateResult>().finish ==
             "length");
}

BOOST_AUTO_TEST_CASE(a_client_that_asks_and_never_reads_is_closed) {
  model("m", "{}");
  start();
  auto peer = client();
  std::string request;
  wire::append_request(request, 1, "status", wire::Empty{});
  std::string many;
  while (many.size() < 64 * 1024) many += request;
  BOOST_CHECK_THROW(for (int i = 0; i < 10'000; ++i) peer.send_bytes(many), std::system_error);
  BOOST_TEST((kSanitized || resident_bytes(pid()) < 128u << 20));
  BOOST_TEST(status().schema == 1);
}

BOOST_AUTO_TEST_SUITE_END()
