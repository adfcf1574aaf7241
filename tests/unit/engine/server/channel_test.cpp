#include "engine/server/channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <system_error>
#include <thread>

#include "wire/limits.hpp"
#include "wire/messages.hpp"

namespace {

using gpumodel::engine::io::Fd;
using gpumodel::engine::server::Channel;
namespace wire = gpumodel::wire;
using std::chrono::milliseconds;

struct Pair {
  Pair() {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    peer = Fd(ends[0]);
    channel = std::make_unique<Channel>(Fd(ends[1]));
  }

  // Reads what is there; the number of bytes.
  std::size_t drain() {
    std::string buffer(1u << 20, '\0');
    const ssize_t size = ::recv(peer.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return size > 0 ? static_cast<std::size_t>(size) : 0;
  }

  Fd peer;
  std::unique_ptr<Channel> channel;
};

const Channel::FrameHandler kNoFrames = [](const wire::Frame&) { BOOST_ERROR("a frame"); };

BOOST_AUTO_TEST_SUITE(channel)

BOOST_AUTO_TEST_CASE(refuses_what_is_no_stream_socket) {
  BOOST_CHECK_THROW(Channel(Fd(::dup(STDERR_FILENO))), std::system_error);
  BOOST_CHECK_THROW(Channel(Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))),
                    std::system_error);
}

BOOST_AUTO_TEST_CASE(hands_over_frames_however_they_are_cut) {
  Pair pair;
  std::string bytes;
  wire::append_notification(bytes, "cancel", wire::CancelParams{1});
  wire::append_request(bytes, 5, "measure", wire::Empty{});
  std::vector<std::string> methods;
  for (const char byte : bytes) {
    BOOST_REQUIRE(::send(pair.peer.get(), &byte, 1, 0) == 1);
    BOOST_REQUIRE(pair.channel->serve_once(
        milliseconds(1000), [&](const wire::Frame& frame) { methods.push_back(frame.method); }));
  }
  BOOST_TEST(methods == (std::vector<std::string>{"cancel", "measure"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_send_from_another_thread_is_written) {
  Pair pair;
  std::thread sender([&] { pair.channel->send("abc"); });
  sender.join();
  BOOST_TEST(pair.channel->serve_once(milliseconds(1000), kNoFrames));
  BOOST_TEST(pair.drain() == 3u);
}

BOOST_AUTO_TEST_CASE(says_when_the_peer_does_not_read_and_when_it_does_again) {
  Pair pair;
  const std::string much(wire::kOutputLimitBytes + (1u << 20), 'x');
  BOOST_TEST(!pair.channel->backlogged());
  pair.channel->send(much);
  BOOST_TEST(pair.channel->serve_once(milliseconds(10), kNoFrames));
  BOOST_TEST(pair.channel->backlogged());
  BOOST_TEST(!pair.channel->wait_for_room(milliseconds(10)));
  std::size_t read = 0;
  while (read < much.size()) {
    read += pair.drain();
    BOOST_REQUIRE(pair.channel->serve_once(milliseconds(10), kNoFrames));
  }
  BOOST_TEST(pair.channel->wait_for_room(milliseconds(10)));
  BOOST_TEST(read == much.size());
}

BOOST_AUTO_TEST_CASE(takes_no_requests_beyond_twice_the_limit) {
  Pair pair;
  pair.channel->send(std::string(wire::kOutputCloseBytes + (1u << 20), 'x'));
  std::string bytes;
  wire::append_request(bytes, 5, "measure", wire::Empty{});
  BOOST_REQUIRE(::send(pair.peer.get(), bytes.data(), bytes.size(), 0) > 0);
  for (int i = 0; i < 3; ++i) BOOST_TEST(pair.channel->serve_once(milliseconds(5), kNoFrames));
  int frames = 0;
  while (pair.drain() != 0 || frames == 0)
    BOOST_REQUIRE(pair.channel->serve_once(milliseconds(5), [&](const wire::Frame&) { ++frames; }));
  BOOST_TEST(frames == 1);
}

BOOST_AUTO_TEST_CASE(ends_when_the_peer_closes) {
  Pair pair;
  pair.peer.reset();
  BOOST_TEST(!pair.channel->serve_once(milliseconds(1000), kNoFrames));
}

BOOST_AUTO_TEST_CASE(throws_for_broken_framing) {
  Pair pair;
  BOOST_REQUIRE(::send(pair.peer.get(), "\xc1", 1, 0) == 1);
  BOOST_CHECK_THROW(pair.channel->serve_once(milliseconds(1000), kNoFrames), wire::FramingError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
