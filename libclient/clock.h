/* Deadlines on the monotonic clock. */
#ifndef GPUMODEL_LIBCLIENT_CLOCK_H
#define GPUMODEL_LIBCLIENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gmi_deadline {
  int64_t at_ns; /* INT64_MAX: none; 0: now, without looking at the clock */
} gmi_deadline;

gmi_deadline gmi_deadline_after(int32_t timeout_ms); /* below 0: none */
bool gmi_deadline_is_now(gmi_deadline deadline);
/* Rounded up, so that it is 0 only when the deadline has passed; -1: there is none. */
int gmi_deadline_left_ms(gmi_deadline deadline);

#endif
