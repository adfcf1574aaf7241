#include "engine/server/channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "wire/engine_messages.hpp"
#include "wire/limits.hpp"

namespace gpumodel::engine::server {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void require_stream_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) throw_errno("getsockopt");
  if (type != SOCK_STREAM)
    throw std::system_error(ESOCKTNOSUPPORT, std::generic_category(), "not a stream socket");
}

}  // namespace

Channel::Channel(os::Fd socket) : socket_(std::move(socket)) {
  require_stream_socket(socket_.get());
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) < 0 ||
      ::fcntl(socket_.get(), F_SETFD, FD_CLOEXEC) < 0)
    throw_errno("fcntl");
  event_ = os::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) throw_errno("eventfd");
}

void Channel::send(std::string_view messages) {
  if (messages.empty()) return;
  bool was_idle = false;
  {
    const std::lock_guard lock(mutex_);
    was_idle = unsent_locked() == 0;
    output_.append(messages);
  }
  // While something is unsent already, the serving thread is on its way or waits for the peer.
  if (was_idle) wake();
}

void Channel::wake() noexcept {
  const std::uint64_t one = 1;
  // A full counter means that a wake-up is pending.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

bool Channel::backlogged() const {
  const std::lock_guard lock(mutex_);
  return unsent_locked() >= wire::kOutputLimitBytes;
}

bool Channel::wait_for_room(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return room_.wait_for(lock, timeout, [&] { return unsent_locked() < wire::kOutputLimitBytes; });
}

bool Channel::serve_once(std::chrono::milliseconds timeout, const FrameHandler& handler) {
  if (!write_output()) return false;
  pollfd polled[2] = {{socket_.get(), 0, 0}, {event_.get(), POLLIN, 0}};
  {
    const std::lock_guard lock(mutex_);
    if (unsent_locked() != 0) polled[0].events |= POLLOUT;
    if (unsent_locked() < wire::kOutputCloseBytes) polled[0].events |= POLLIN;
  }
  if (::poll(polled, 2, static_cast<int>(timeout.count())) < 0) {
    if (errno == EINTR) return true;
    throw_errno("poll");
  }
  if (polled[1].revents != 0) drain_wake();
  if ((polled[0].revents & POLLNVAL) != 0)
    throw std::system_error(EBADF, std::generic_category(), "poll");
  // A hang-up is read to its end first: what the peer sent before it closed still counts.
  const bool readable = (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
  if (readable && !read_frames(handler)) return false;
  return write_output();
}

bool Channel::read_frames(const FrameHandler& handler) {
  const std::span<char> room = reader_.prepare(kReadBytes);
  const ssize_t size = receive(room);
  if (size == 0) return false;
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return true;
    if (errno == ECONNRESET) return false;
    throw_errno("recvmsg");
  }
  reader_.commit(static_cast<std::size_t>(size));
  while (std::optional<wire::Frame> frame = reader_.next()) {
    os::Fd fd = wire::carries_fd(*frame) ? take_fd() : os::Fd();
    handler(std::move(*frame), std::move(fd));
  }
  return true;
}

// recvmsg(2), with the descriptors that came put at the end of fds_.
ssize_t Channel::receive(std::span<char> room) {
  iovec bytes{room.data(), room.size()};
  // The kernel closes what has no room here, and says so.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(wire::kMaxWaitingFds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return size;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds_.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 || fds_.size() > wire::kMaxWaitingFds)
    throw wire::FramingError("more than " + std::to_string(wire::kMaxWaitingFds) +
                             " descriptors that no message names, or no room for one");
  return size;
}

os::Fd Channel::take_fd() {
  if (fds_.empty()) throw wire::FramingError("a message names a descriptor that did not come");
  os::Fd fd = std::move(fds_.front());
  fds_.pop_front();
  return fd;
}

bool Channel::write_output() {
  const std::lock_guard lock(mutex_);
  while (unsent_locked() != 0) {
    const ssize_t size =
        ::send(socket_.get(), output_.data() + sent_, unsent_locked(), MSG_NOSIGNAL);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      if (errno == EPIPE || errno == ECONNRESET) return false;
      throw_errno("send");
    }
    sent_ += static_cast<std::size_t>(size);
  }
  if (unsent_locked() == 0) {
    output_.clear();
    sent_ = 0;
    if (output_.capacity() > wire::kOutputLimitBytes / 8) output_.shrink_to_fit();
  } else if (sent_ > output_.size() / 2) {
    output_.erase(0, sent_);
    sent_ = 0;
  }
  if (unsent_locked() < wire::kOutputLimitBytes) room_.notify_all();
  return true;
}

void Channel::drain_wake() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(event_.get(), &count, sizeof count);
}

}  // namespace gpumodel::engine::server
