#define _GNU_SOURCE /* secure_getenv, SOCK_CLOEXEC */
#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

const char* gmi_address_path(const char* option) {
  if (option != NULL) return option;
  const char* path = secure_getenv("GPUMODEL_SOCKET");
  return path != NULL && path[0] != '\0' ? path : GM_DEFAULT_SOCKET;
}

static gm_status connect_failed(const char* path, int reason) {
  switch (reason) {
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
      return gmi_fail_errno(
          GM_E_NO_DAEMON, reason,
          "no gpumodeld listens on %s; start it (systemctl start gpumodeld) or name "
          "its socket in $GPUMODEL_SOCKET",
          path);
    case EACCES:
    case EPERM:
      return gmi_fail(
          GM_E_DENIED,
          "this user may not open %s; an administrator can add it to the group gpumodel", path);
    case EAGAIN:
      return gmi_fail(GM_E_TIMEOUT, "gpumodeld accepted no connection on %s in time", path);
    case EINTR:
      return gmi_fail(GM_E_INTERRUPTED, "a signal ended the connecting to %s", path);
    default:
      return gmi_fail_errno(GM_E_SYSTEM, reason, "cannot connect to %s", path);
  }
}

/* A full backlog is waited for in connect, which the send timeout bounds. */
static int connect_within(int fd, const struct sockaddr_un* address, gmi_deadline deadline,
                          bool return_on_signal) {
  for (;;) {
    int left_ms = gmi_deadline_left_ms(deadline);
    if (left_ms == 0) return EAGAIN;
    struct timeval limit = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    if (left_ms < 0) limit = (struct timeval){0, 0};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) return errno;
    if (connect(fd, (const struct sockaddr*)address, sizeof *address) == 0) return 0;
    if (errno != EINTR || return_on_signal) return errno;
  }
}

gm_status gmi_address_connect(const char* path, int32_t timeout_ms, bool return_on_signal,
                              int* out) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) {
    return gmi_fail(GM_E_INVALID, "a socket's path has 1 to %zu bytes; this one has %zu: %s",
                    sizeof address.sun_path - 1, length, path);
  }
  memcpy(address.sun_path, path, length);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return gmi_fail_errno(GM_E_SYSTEM, errno, "cannot make a socket");
  int reason = connect_within(fd, &address, gmi_deadline_after(timeout_ms), return_on_signal);
  if (reason == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) != 0) reason = errno;
  if (reason != 0) {
    close(fd);
    return connect_failed(path, reason);
  }
  *out = fd;
  return GM_OK;
}
