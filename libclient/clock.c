#define _POSIX_C_SOURCE 200809L
#include "clock.h"

#include <limits.h>
#include <time.h>

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

gmi_deadline gmi_deadline_after(int32_t timeout_ms) {
  if (timeout_ms < 0) return (gmi_deadline){INT64_MAX};
  if (timeout_ms == 0) return (gmi_deadline){0};
  return (gmi_deadline){now_ns() + (int64_t)timeout_ms * 1000000};
}

bool gmi_deadline_is_now(gmi_deadline deadline) { return deadline.at_ns == 0; }

int gmi_deadline_left_ms(gmi_deadline deadline) {
  if (deadline.at_ns == INT64_MAX) return -1;
  if (deadline.at_ns == 0) return 0;
  int64_t left_ns = deadline.at_ns - now_ns();
  return left_ns > 0 ? (int)((left_ns + 999999) / 1000000) : 0;
}
