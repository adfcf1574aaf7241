/* One generate.chunk notification, decoded. */
#ifndef GPUMODEL_LIBCLIENT_CHUNK_H
#define GPUMODEL_LIBCLIENT_CHUNK_H

#include "message.h"

typedef struct gmi_chunk {
  struct gmi_chunk* next;
  gmi_message* message; /* holds everything that the chunk points to, and the chunk itself */
  uint64_t seq;
  gm_chunk content;
} gmi_chunk;

/* Takes `message` on GM_OK. `logprobs` and `top` as the request asked for them. GM_E_NOMEM changed
 * nothing that matters; GM_E_PROTOCOL with `fault`. Sets no thread error. */
gm_status gmi_chunk_read(gmi_message* message, bool logprobs, uint32_t top, gmi_chunk** out,
                         const char** fault);
void gmi_chunk_free(gmi_chunk* chunk); /* NULL is allowed */

#endif
