#include "engine/server/channel.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <system_error>
#include <thread>

#include "wire/engine_messages.hpp"
#include "wire/limits.hpp"

namespace {

using gpumodel::engine::server::Channel;
using gpumodel::os::Fd;
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

const Channel::FrameHandler kNoFrames = [](const wire::Frame&, const Fd&) {
  BOOST_ERROR("a frame");
};

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
    BOOST_REQUIRE(
        pair.channel->serve_once(milliseconds(1000), [&](const wire::Frame& frame, const Fd& fd) {
          BOOST_TEST(!fd);
          methods.push_back(frame.method);
        }));
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
    BOOST_REQUIRE(pair.channel->serve_once(milliseconds(5),
                                           [&](const wire::Frame&, const Fd&) { ++frames; }));
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

// A descriptor that can be told from others: a memfd with `text` in it.
Fd make_file(const std::string& text) {
  Fd fd(::memfd_create("test", MFD_CLOEXEC));
  BOOST_REQUIRE(::pwrite(fd.get(), text.data(), text.size(), 0) ==
                static_cast<ssize_t>(text.size()));
  return fd;
}

std::string text_of(const Fd& fd) {
  std::string text(64, '\0');
  const ssize_t size = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

void send_with_fds(const Fd& socket, std::string bytes, const std::vector<int>& fds) {
  iovec part{bytes.data(), bytes.size()};
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  BOOST_REQUIRE(::sendmsg(socket.get(), &message, 0) == static_cast<ssize_t>(bytes.size()));
}

std::string fill_request(std::uint32_t id) {
  std::string bytes;
  wire::append_request(bytes, id, "fill", wire::FillParams{});
  return bytes;
}

BOOST_AUTO_TEST_CASE(hands_each_descriptor_over_with_the_frame_that_names_it) {
  Pair pair;
  std::string plain;
  wire::append_request(plain, 1, "measure", wire::Empty{});
  wire::append_request(plain, 2, "load", wire::LoadParams{});  // from the disk: it names none
  std::string load;
  wire::LoadParams with_image;
  with_image.image.emplace();
  wire::append_request(load, 4, "load", with_image);
  // As a writer may cut them: the descriptor comes with the first bytes of its frame.
  const Fd first = make_file("first");
  const Fd second = make_file("second");
  const std::string fill = fill_request(3);
  send_with_fds(pair.peer, plain + fill.substr(0, 1), {first.get()});
  send_with_fds(pair.peer, fill.substr(1) + load.substr(0, 7), {second.get()});
  BOOST_REQUIRE(::send(pair.peer.get(), load.data() + 7, load.size() - 7, 0) > 0);
  std::vector<std::string> got;
  while (got.size() < 4)
    BOOST_REQUIRE(
        pair.channel->serve_once(milliseconds(1000), [&](const wire::Frame& frame, const Fd& fd) {
          got.push_back(frame.method + " " + text_of(fd));
          if (fd) BOOST_TEST((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
        }));
  BOOST_TEST(got == (std::vector<std::string>{"measure ", "load ", "fill first", "load second"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(throws_for_a_frame_whose_descriptor_did_not_come) {
  Pair pair;
  const std::string bytes = fill_request(1);
  BOOST_REQUIRE(::send(pair.peer.get(), bytes.data(), bytes.size(), 0) > 0);
  BOOST_CHECK_THROW(pair.channel->serve_once(milliseconds(1000), kNoFrames), wire::FramingError);
}

BOOST_AUTO_TEST_CASE(bounds_the_descriptors_that_no_frame_names) {
  Pair pair;
  const Fd file = make_file("x");
  std::string bytes;
  wire::append_notification(bytes, "cancel", wire::CancelParams{1});
  const auto serve = [&] {
    return pair.channel->serve_once(milliseconds(1000), [](const wire::Frame&, const Fd&) {});
  };
  send_with_fds(pair.peer, bytes, std::vector<int>(wire::kMaxWaitingFds, file.get()));
  BOOST_TEST(serve());
  send_with_fds(pair.peer, bytes, {file.get()});
  BOOST_CHECK_THROW(serve(), wire::FramingError);
  Pair other;
  send_with_fds(other.peer, bytes, std::vector<int>(wire::kMaxWaitingFds + 8, file.get()));
  BOOST_CHECK_THROW(other.channel->serve_once(milliseconds(1000), kNoFrames), wire::FramingError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
