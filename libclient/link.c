#define _GNU_SOURCE /* SOCK_CLOEXEC, EFD_CLOEXEC */
#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "error.h"

enum {
  kReceiveBytes = 64 << 10,
  kRoomBytes = 4 << 10,  /* less is not worth a system call                                   */
  kSendReserve = 4 << 10 /* of `out`, from the start: what a small message needs if cut in two */
};
/* Two of the largest messages: more than this is kept for a daemon that does not read. */
static const size_t kKeptBytes = 2 * GMI_MESSAGE_BYTES;

static gm_status make_epoll(gmi_link* link) {
  link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (link->epoll_fd < 0 || link->wake_fd < 0) {
    return gmi_fail_errno(GM_E_SYSTEM, errno, "cannot make the connection's descriptors");
  }
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, link->socket_fd, &event) != 0 ||
      epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, link->wake_fd, &event) != 0) {
    return gmi_fail_errno(GM_E_SYSTEM, errno, "cannot watch the connection");
  }
  return GM_OK;
}

gm_status gmi_link_open(gmi_link* link, const char* path, int32_t timeout_ms,
                        bool return_on_signal) {
  memset(link, 0, sizeof *link);
  link->socket_fd = link->wake_fd = link->epoll_fd = -1;
  gm_status status = gmi_address_connect(path, timeout_ms, return_on_signal, &link->socket_fd);
  if (status == GM_OK) status = make_epoll(link);
  if (status == GM_OK && (!gmi_buffer_reserve(&link->in, kReceiveBytes) ||
                          !gmi_buffer_reserve(&link->out, kSendReserve))) {
    status = gmi_fail_nomem();
  }
  if (status != GM_OK) gmi_link_close(link);
  return status;
}

static void close_fd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

void gmi_link_close(gmi_link* link) {
  close_fd(&link->epoll_fd);
  close_fd(&link->wake_fd);
  close_fd(&link->socket_fd);
  gmi_buffer_free(&link->in);
  gmi_buffer_free(&link->out);
}

void gmi_link_shutdown(gmi_link* link) {
  epoll_ctl(link->epoll_fd, EPOLL_CTL_DEL, link->socket_fd, NULL);
  shutdown(link->socket_fd, SHUT_RDWR);
  link->out.size = 0;
  link->wants_write = false;
}

static void trim(gmi_buffer* buffer, size_t capacity) {
  if (buffer->size > 0 || buffer->capacity <= 4 * (size_t)kReceiveBytes) return;
  gmi_buffer small;
  gmi_buffer_init(&small, NULL, 0);
  if (!gmi_buffer_reserve(&small, capacity)) return;
  gmi_buffer_free(buffer);
  *buffer = small;
}

/* The epoll fd itself only ever becomes readable; room to write is one of its reasons. */
static void watch_write(gmi_link* link, bool wanted) {
  if (link->wants_write == wanted) return;
  struct epoll_event event = {.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN};
  epoll_ctl(link->epoll_fd, EPOLL_CTL_MOD, link->socket_fd, &event);
  link->wants_write = wanted;
}

/* Bytes the socket took. An ended connection takes all: what the daemon said last is still to be
 * read, and says more than EPIPE. */
static size_t push(gmi_link* link, const char* data, size_t size) {
  size_t sent = 0;
  while (sent < size) {
    ssize_t count = send(link->socket_fd, data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += (size_t)count;
    } else if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
      return size;
    } else if (errno != EINTR) {
      break;
    }
  }
  return sent;
}

gm_status gmi_link_send(gmi_link* link, const char* data, size_t size) {
  if (link->out.size > 0 && size > kKeptBytes - link->out.size) {
    return gmi_fail(GM_E_BUSY, "the daemon has not read the %zu bytes sent before; try again later",
                    link->out.size);
  }
  /* Reserved first, since half a message cannot be taken back. */
  if (!gmi_buffer_reserve(&link->out, size)) return gmi_fail_nomem();
  size_t sent = link->out.size == 0 ? push(link, data, size) : 0;
  if (sent == size) {
    trim(&link->out, kSendReserve);
    return GM_OK;
  }
  gmi_buffer_append(&link->out, data + sent, size - sent);
  if (!link->wants_write) {
    watch_write(link, true);
    gmi_link_wake(link); /* a thread that polls already does not know yet */
  }
  return GM_OK;
}

void gmi_link_flush(gmi_link* link) {
  if (link->out.size == 0) return;
  size_t sent = push(link, link->out.data, link->out.size);
  if (sent > 0) gmi_buffer_drop(&link->out, sent);
  if (link->out.size > 0) return;
  watch_write(link, false);
  trim(&link->out, kSendReserve);
}

bool gmi_link_make_room(gmi_link* link) {
  if (link->in.capacity - link->in.size >= kRoomBytes) return true;
  return gmi_buffer_reserve(&link->in, kReceiveBytes);
}

ssize_t gmi_link_receive(gmi_link* link) {
  ssize_t count;
  do {
    count = recv(link->socket_fd, link->in.data + link->in.size, link->in.capacity - link->in.size,
                 MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return errno == EWOULDBLOCK ? -EAGAIN : -errno;
  link->in.size += (size_t)count;
  return count;
}

void gmi_link_trim_in(gmi_link* link) { trim(&link->in, kReceiveBytes); }

void gmi_link_wake(const gmi_link* link) {
  int saved_errno = errno;
  uint64_t one = 1;
  ssize_t written = write(link->wake_fd, &one, sizeof one);
  (void)written; /* a full counter is readable already */
  errno = saved_errno;
}

void gmi_link_drain_wake(const gmi_link* link) {
  uint64_t count;
  ssize_t drained = read(link->wake_fd, &count, sizeof count);
  (void)drained; /* another thread may have been first */
}
