#include "broker/frame_stream.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace gpumodel::broker {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
// Moving the unwritten rest to the front is worth it from here on.
constexpr std::size_t kCompactBytes = 1u << 20;

}  // namespace

FrameStream::FrameStream(asio::io_context& io, os::Fd socket, Handler& handler)
    : handler_(handler), descriptor_(io, socket.release()) {
  descriptor_.non_blocking(true);
}

void FrameStream::start() { read_more(); }

void FrameStream::read_more() {
  const std::span<char> room = reader_.prepare(kReadBytes);
  descriptor_.async_read_some(
      asio::buffer(room.data(), room.size()),
      alive_.guard([this](const boost::system::error_code& error, std::size_t size) {
        if (error == asio::error::operation_aborted) return;
        if (error) return end(End::closed, error.message());
        on_read(size);
      }));
}

void FrameStream::on_read(std::size_t size) {
  reader_.commit(size);
  const auto alive = alive_.watch();
  handling_ = true;
  try {
    handle_frames();
  } catch (const wire::FramingError& error) {
    handling_ = false;
    return end(End::malformed, error.what());
  }
  if (alive.expired() || !is_open()) return;
  handling_ = false;
  flush();
  if (!alive.expired() && is_open()) read_more();
}

void FrameStream::handle_frames() {
  const auto alive = alive_.watch();
  while (!alive.expired() && is_open()) {
    auto frame = reader_.next();
    if (!frame) return;
    handler_.on_frame(*std::move(frame));
  }
}

void FrameStream::flush() {
  if (handling_ || waiting_to_write_ || !is_open() || !write_some()) return;
  if (queued_bytes() == 0) return;
  waiting_to_write_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                         alive_.guard([this](const boost::system::error_code& error) {
                           waiting_to_write_ = false;
                           if (!error) flush();
                         }));
}

// One system call; a descriptor goes with the first byte of its message, and never with another's.
ssize_t FrameStream::write_once() {
  iovec bytes{output_.data() + written_, queued_bytes()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  auto next = attached_.begin();
  const bool carries = next != attached_.end() && next->offset == written_;
  if (carries) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = next->fd.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ++next;
  }
  if (next != attached_.end()) bytes.iov_len = next->offset - written_;
  const ssize_t size =
      ::sendmsg(descriptor_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (size > 0 && carries) attached_.pop_front();
  return size;
}

// False where the connection is broken: the read side ends it.
bool FrameStream::write_some() {
  while (queued_bytes() != 0) {
    const ssize_t size = write_once();
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      output_.clear();
      attached_.clear();
      written_ = 0;
      return false;
    }
    written_ += static_cast<std::size_t>(size);
  }
  forget_written();
  return true;
}

void FrameStream::forget_written() {
  if (queued_bytes() == 0) {
    // A burst must not pin its memory on an idle connection.
    if (output_.capacity() > kCompactBytes) std::string().swap(output_);
    output_.clear();
    written_ = 0;
  } else if (written_ > kCompactBytes && written_ > output_.size() / 2) {
    output_.erase(0, written_);
    for (Attached& attached : attached_) attached.offset -= written_;
    written_ = 0;
  }
}

void FrameStream::close() {
  if (!is_open()) return;
  write_some();
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

void FrameStream::end(End end, const std::string& reason) {
  if (is_open()) handler_.on_end(end, reason);
}

}  // namespace gpumodel::broker
