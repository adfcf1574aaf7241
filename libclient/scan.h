/* Walks the lengths of one MessagePack message before anything is allocated for it: msgpack-c's C
 * unpacker has no limits, and five bytes can ask it for 96 GB. The walk goes on from where it
 * stopped, however the bytes arrive, and looks at no byte twice. */
#ifndef GPUMODEL_LIBCLIENT_SCAN_H
#define GPUMODEL_LIBCLIENT_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define GMI_MESSAGE_BYTES ((size_t)16 << 20)
#define GMI_MESSAGE_DEPTH 32
/* Of one message, containers and keys included: what unpacking may take, at 24 bytes each. */
#define GMI_MESSAGE_VALUES ((size_t)1 << 20)

typedef enum gmi_scan_state {
  GMI_SCAN_MORE,   /* the message goes on beyond the bytes given   */
  GMI_SCAN_DONE,   /* scan->position is the message's length       */
  GMI_SCAN_INVALID /* not MessagePack, or a limit is passed; final */
} gmi_scan_state;

typedef struct gmi_scan {
  size_t position; /* of the next value's first byte; may lie beyond what has arrived */
  size_t values;   /* walked so far                                                   */
  uint32_t depth;
  uint32_t open[GMI_MESSAGE_DEPTH]; /* values still missing in each open container */
  const char* fault;                /* why it is INVALID: static text              */
} gmi_scan;

void gmi_scan_reset(gmi_scan* scan);

/* `data` is the message from its first byte, `size` what has arrived of it (it may hold more). */
gmi_scan_state gmi_scan_run(gmi_scan* scan, const char* data, size_t size);

#endif
