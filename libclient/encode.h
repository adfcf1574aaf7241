/* Builds one message to the daemon. Every put may run out of memory: that is noted, and said once
 * by gmi_encoder_finish. */
#ifndef GPUMODEL_LIBCLIENT_ENCODE_H
#define GPUMODEL_LIBCLIENT_ENCODE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "gpumodel.h"

typedef struct gmi_encoder {
  gmi_buffer buffer;
  msgpack_packer packer;
  size_t map_at;     /* offset of the params' map header */
  uint32_t fields;   /* put into it so far               */
  bool failed;       /* out of memory                             */
  bool too_large;    /* beyond what any message may have           */
  char storage[512]; /* most messages need no more */
} gmi_encoder;

/* After one of these the encoder is at the params map; it is freed in any case. */
void gmi_encode_request(gmi_encoder* encoder, uint32_t id, const char* method);
void gmi_encode_notification(gmi_encoder* encoder, const char* method);
void gmi_encoder_free(gmi_encoder* encoder);

/* Fields of the params. */
void gmi_put_text(gmi_encoder* encoder, const char* key, const char* text, size_t length);
void gmi_put_string(gmi_encoder* encoder, const char* key, const char* text);
void gmi_put_int(gmi_encoder* encoder, const char* key, int64_t value);
void gmi_put_u64(gmi_encoder* encoder, const char* key, uint64_t value);
void gmi_put_float(gmi_encoder* encoder, const char* key, float value);
void gmi_put_bool(gmi_encoder* encoder, const char* key, bool value);
void gmi_put_tokens(gmi_encoder* encoder, const char* key, const int32_t* tokens, size_t count);
void gmi_put_strings(gmi_encoder* encoder, const char* key, const char* const* texts, size_t count);
void gmi_put_messages(gmi_encoder* encoder, const char* key, const gm_message* messages,
                      size_t count);
void gmi_put_biases(gmi_encoder* encoder, const char* key, const gm_logit_bias* biases,
                    size_t count);

/* Completes the message: GM_OK, GM_E_NOMEM, or GM_E_INVALID where it has more than `limit_bytes`.
 */
gm_status gmi_encoder_finish(gmi_encoder* encoder, size_t limit_bytes);

#endif
