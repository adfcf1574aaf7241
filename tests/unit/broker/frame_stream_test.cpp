// Descriptors that travel with messages.
#include "broker/frame_stream.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <optional>
#include <vector>

#include "loop_fixture.hpp"

using namespace gpumodel;
using broker::FrameStream;

namespace {

struct Nobody final : FrameStream::Handler {
  void on_frame(wire::Frame) override {}
  void on_end(FrameStream::End, const std::string&) override {}
};

// One read: its bytes, and the size of the file whose descriptor came with them (0: none).
struct Received {
  std::string bytes;
  std::uint64_t file_size = 0;
};

Received receive(int socket, std::size_t most) {
  Received out;
  out.bytes.resize(most);
  iovec bytes{out.bytes.data(), most};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  out.bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); size > 0 && header != nullptr) {
    BOOST_REQUIRE(header->cmsg_len == CMSG_LEN(sizeof(int)));
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    const os::Fd owned(fd);
    struct stat info {};
    BOOST_REQUIRE(::fstat(owned.get(), &info) == 0);
    out.file_size = static_cast<std::uint64_t>(info.st_size);
  }
  return out;
}

os::Fd file_of(off_t size) {
  os::Fd fd(::memfd_create("test", MFD_CLOEXEC));
  BOOST_REQUIRE(::ftruncate(fd.get(), size) == 0);
  return fd;
}

struct StreamFixture : test::LoopFixture {
  StreamFixture() {
    int ends[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    peer = os::Fd(ends[1]);
    stream.emplace(io, os::Fd(ends[0]), nobody);
  }
  Nobody nobody;
  os::Fd peer;
  std::optional<FrameStream> stream;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(frame_stream, StreamFixture)

BOOST_AUTO_TEST_CASE(a_descriptor_comes_with_the_first_byte_of_its_message) {
  stream->output() += "before";
  stream->attach(file_of(1000));
  stream->output() += "with";
  stream->output() += "after";
  stream->attach(file_of(2000));
  stream->output() += "second";
  stream->flush();
  std::string text;
  std::vector<std::uint64_t> sizes;
  for (Received part = receive(peer.get(), 100); !part.bytes.empty();
       part = receive(peer.get(), 100)) {
    if (part.file_size != 0) {
      sizes.push_back(part.file_size);
      const std::size_t message = part.file_size == 1000 ? 6 : 15;  // where it begins
      BOOST_TEST(text.size() <= message);
      BOOST_TEST(text.size() + part.bytes.size() > message);
    }
    text += part.bytes;
  }
  BOOST_TEST(text == "beforewithaftersecond");
  BOOST_TEST(sizes == (std::vector<std::uint64_t>{1000, 2000}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_descriptor_waits_with_its_message_for_a_slow_peer) {
  const std::string before(4u << 20, 'x');
  stream->output() += before;
  stream->attach(file_of(3000));
  stream->output() += "with";
  stream->flush();
  BOOST_TEST(stream->queued_bytes() != 0u);
  std::size_t bytes = 0;
  bool came_in_time = false;
  BOOST_TEST(run_until([&] {
    for (Received part = receive(peer.get(), 1u << 20); !part.bytes.empty();
         part = receive(peer.get(), 1u << 20)) {
      if (part.file_size == 3000)
        came_in_time = bytes <= before.size() && bytes + part.bytes.size() > before.size();
      bytes += part.bytes.size();
    }
    return bytes == before.size() + 4;
  }));
  BOOST_TEST(came_in_time);
}

BOOST_AUTO_TEST_SUITE_END()
