#define _GNU_SOURCE
#include "ping_pong.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kMessageBytes = 128 };

double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int watch(int fd) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    close(epoll);
    return -1;
  }
  return epoll;
}

/* Waits for one whole message; 0 at the other side's end, -1 on an error. */
static int receive(int epoll, int fd, char *buffer) {
  size_t have = 0;
  while (have < kMessageBytes) {
    struct epoll_event event;
    if (epoll_wait(epoll, &event, 1, -1) < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    const ssize_t size = read(fd, buffer + have, kMessageBytes - have);
    if (size <= 0) return (int)size;
    have += (size_t)size;
  }
  return 1;
}

static void echo(int fd) {
  char buffer[kMessageBytes];
  const int epoll = watch(fd);
  while (epoll >= 0 && receive(epoll, fd, buffer) > 0)
    if (write(fd, buffer, sizeof buffer) != (ssize_t)sizeof buffer) break;
  _exit(0);
}

int ping_pong(double *seconds, size_t count) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    close(pair[0]);
    echo(pair[1]);
  }
  close(pair[1]);
  char buffer[kMessageBytes] = {0};
  const int epoll = watch(pair[0]);
  int status = epoll < 0 ? -1 : 1;
  for (size_t i = 0; i < count && status > 0; ++i) {
    const double start = now_s();
    if (write(pair[0], buffer, sizeof buffer) != (ssize_t)sizeof buffer) status = -1;
    if (status > 0) status = receive(epoll, pair[0], buffer);
    seconds[i] = now_s() - start;
  }
  close(epoll);
  close(pair[0]);
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
  }
  return status > 0 ? 0 : -1;
}
