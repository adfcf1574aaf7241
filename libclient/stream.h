/* The stream handle. */
#ifndef GPUMODEL_LIBCLIENT_STREAM_H
#define GPUMODEL_LIBCLIENT_STREAM_H

#include "chunk.h"
#include "client.h"

/* Memory of unread chunks beyond which a stream is cancelled and ends with GM_E_OVERRUN: the others
 * of the client must go on being read while the program leaves this one alone. */
#define GMI_STREAM_BYTES ((size_t)8 << 20)

struct gm_stream {
  gm_client* client;
  /* Guarded by the client's lock. */
  gmi_pending pending;
  unsigned references; /* the program's handle, the table's */
  bool has_handle;
  bool logprobs;
  uint32_t top_logprobs;

  gmi_chunk* first; /* unread */
  gmi_chunk* last;
  size_t unread_bytes;
  gmi_chunk* current; /* what the program looks at */
  uint64_t chunks;    /* received                  */
  uint32_t output_tokens;

  bool cancelled;
  bool overrun;
  bool ended;            /* response is there, or the connection ended */
  gmi_message* response; /* NULL: the connection ended first           */
};

#endif
