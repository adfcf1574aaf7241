#include "wire/frame.hpp"

#include <nlohmann/json.hpp>

#include <cstring>
#include <random>

#include "support/testdata.hpp"
#include "wire/codec.hpp"
#include "wire/messages.hpp"

using namespace gpumodel;
using wire::FrameReader;
using wire::FramingError;

namespace {

void feed(FrameReader& reader, std::string_view bytes) {
  auto room = reader.prepare(bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  reader.commit(bytes.size());
}

std::string from_hex(const std::string& dashed) {
  std::string out;
  for (std::size_t i = 0; i + 1 < dashed.size(); i += 3)
    out.push_back(static_cast<char>(std::stoi(dashed.substr(i, 2), nullptr, 16)));
  return out;
}

std::string cancel_message() {
  std::string out;
  wire::append_notification(out, "cancel", wire::CancelParams{5});
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(frame_test)

BOOST_AUTO_TEST_CASE(any_fragmentation_gives_the_same_frames) {
  std::string stream;
  for (std::uint32_t id = 0; id < 20; ++id) {
    wire::append_request(stream, id, "tokenize",
                         wire::TokenizeInput{std::string(id * 37, 'x'), id % 2 == 0});
    wire::append_response(stream, id, wire::TokensResult{{1, -1, 70000, 2'000'000'000}});
    stream += cancel_message();
  }
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    FrameReader reader;
    std::size_t sent = 0, frames = 0;
    while (sent < stream.size()) {
      const std::size_t size = std::min<std::size_t>(1 + random() % (round + 1), stream.size() - sent);
      feed(reader, std::string_view(stream).substr(sent, size));
      sent += size;
      while (auto frame = reader.next()) {
        const std::uint32_t id = static_cast<std::uint32_t>(frames / 3);
        if (frames % 3 == 0) {
          BOOST_REQUIRE(frame->kind == wire::Frame::Kind::request);
          BOOST_REQUIRE(frame->id == id);
          BOOST_REQUIRE(wire::decode<wire::TokenizeInput>(frame->params).text.size() == id * 37);
        } else if (frames % 3 == 1) {
          BOOST_REQUIRE(frame->kind == wire::Frame::Kind::response);
          BOOST_REQUIRE(wire::decode<wire::TokensResult>(frame->result).tokens.size() == 4u);
        } else {
          BOOST_REQUIRE(frame->method == "cancel");
        }
        ++frames;
      }
    }
    BOOST_TEST(frames == 60u);
    BOOST_TEST(reader.pending_bytes() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_frame_outlives_the_reader) {
  std::optional<wire::Frame> frame;
  {
    FrameReader reader;
    std::string message;
    wire::append_request(message, 1, "render", wire::TokenizeInput{"kept", false});
    feed(reader, message);
    frame = reader.next();
    feed(reader, std::string(message.size(), '\0').replace(0, message.size(), message));
  }
  BOOST_TEST(wire::decode<wire::TokenizeInput>(frame->params).text == "kept");
}

BOOST_AUTO_TEST_CASE(the_scanner_finds_the_end_of_every_legal_encoding,
                     *boost::unit_test::precondition(test::has_testdata("msgpack"))) {
  const auto suite = nlohmann::json::parse(
      test::read_file(test::testdata("msgpack/msgpack-test-suite.json")));
  std::size_t encodings = 0;
  for (const auto& [file, cases] : suite.items())
    for (const auto& example : cases)
      for (const std::string hex : example.at("msgpack")) {
        const std::string bytes = from_hex(hex);
        wire::MessageScanner scanner;
        for (std::size_t size = 1; size < bytes.size(); ++size)
          BOOST_TEST(scanner.scan(std::string_view(bytes).substr(0, size)) == 0u, file << " " << hex);
        BOOST_TEST(scanner.scan(bytes) == bytes.size(), file << " " << hex);
        ++encodings;
      }
  BOOST_TEST(encodings > 200u);
}

BOOST_AUTO_TEST_CASE(five_bytes_that_claim_64_million_elements_are_refused_at_once) {
  for (const char* head : {"\xdd\x04\x00\x00\x00", "\xdf\x04\x00\x00\x00", "\xdb\x7f\xff\xff\xff",
                           "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff"}) {
    FrameReader reader;
    feed(reader, std::string_view(head, 5));
    BOOST_CHECK_THROW(reader.next(), FramingError);
  }
}

BOOST_AUTO_TEST_CASE(a_nested_bomb_is_refused) {
  FrameReader reader;
  feed(reader, std::string(1000, '\x91'));
  BOOST_CHECK_THROW(reader.next(), FramingError);
  // As deep as allowed is read, and then found to be no message.
  wire::MessageScanner scanner;
  BOOST_TEST(scanner.scan(std::string(32, '\x91') + '\xc0') == 33u);
}

BOOST_AUTO_TEST_CASE(values_are_bounded_over_the_whole_message) {
  wire::FrameLimits limits;
  limits.values = 100;
  const auto many = [](int rows) {
    return std::string("\xdc\x00", 2) + static_cast<char>(rows) + std::string(rows, '\x05');
  };
  wire::MessageScanner fits(limits), too_many(limits);
  BOOST_TEST(fits.scan(many(99)) == 102u);
  BOOST_CHECK_THROW(too_many.scan(many(100)), FramingError);
}

BOOST_AUTO_TEST_CASE(a_message_over_the_limit_is_refused_before_it_arrived) {
  FrameReader reader;
  feed(reader, std::string_view("\x94\x00\x01\xa1x\x91\x81\xa1t\xdb\x01\x00\x00\x00", 14));
  BOOST_CHECK_THROW(reader.next(), FramingError);
}

BOOST_AUTO_TEST_CASE(what_is_no_message_of_ours_is_refused) {
  const auto refused = [](std::string_view bytes) {
    FrameReader reader;
    feed(reader, bytes);
    BOOST_CHECK_THROW(reader.next(), FramingError);
  };
  refused("GET / HTTP/1.1\r\n");
  refused("\xc1");
  refused("\xc0");
  refused(std::string_view("\x90", 1));
  refused(std::string_view("\x93\x00\x01\xa1x", 5));                      // a request of three
  refused(std::string_view("\x94\x05\x01\xa1x\x91\x80", 7));              // message type 5
  refused(std::string_view("\x94\x00\xff\xa1x\x91\x80", 7));              // id -1
  refused(std::string_view("\x94\x00\xcf\0\0\0\1\0\0\0\0\xa1x\x91\x80", 15));  // id 2^32
  refused(std::string_view("\x94\x00\x01\x05\x91\x80", 6));               // method 5
  refused(std::string_view("\x94\x00\x01\xa1x\x90", 6));                  // no params
  refused(std::string_view("\x94\x00\x01\xa1x\x91\x05", 7));              // params [5]
  refused(std::string_view("\x94\x00\x01\xa1x\x92\x80\x80", 8));          // two params
}

BOOST_AUTO_TEST_CASE(a_half_message_waits) {
  FrameReader reader;
  const std::string message = cancel_message();
  feed(reader, message.substr(0, message.size() - 1));
  BOOST_TEST(!reader.next().has_value());
  BOOST_TEST(reader.pending_bytes() == message.size() - 1);
  feed(reader, message.substr(message.size() - 1));
  BOOST_TEST(reader.next().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
