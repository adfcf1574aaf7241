/* Tells a process that was forked from the one that opened the handle, without a system call. */
#ifndef GPUMODEL_LIBCLIENT_FORK_H
#define GPUMODEL_LIBCLIENT_FORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct gmi_fork_guard {
  volatile uint32_t*
      page; /* the kernel zeroes it in a child; NULL where it cannot: pid is compared */
  pid_t pid;
} gmi_fork_guard;

void gmi_fork_guard_init(gmi_fork_guard* guard);
void gmi_fork_guard_free(gmi_fork_guard* guard);
bool gmi_fork_guard_in_child(const gmi_fork_guard* guard);

#endif
