/* The floor under every exchange between two processes: nothing but the kernel. */
#ifndef GPUMODEL_BENCHMARK_PING_PONG_H
#define GPUMODEL_BENCHMARK_PING_PONG_H

#include <stddef.h>

/* Forks a child that echoes 128-byte messages over an AF_UNIX stream socketpair; both sides wait in
 * epoll_wait and then read. Fills `seconds` with `count` round trips. Returns 0, or -1 with errno set. */
int ping_pong(double *seconds, size_t count);

/* CLOCK_MONOTONIC. */
double now_s(void);

#endif
