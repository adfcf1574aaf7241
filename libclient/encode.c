#include "encode.h"

#include <string.h>

#include "error.h"
#include "scan.h"

enum { kFixMapFields = 15 };

static int write_bytes(void* data, const char* bytes, size_t size) {
  gmi_encoder* encoder = data;
  if (size > GMI_MESSAGE_BYTES - encoder->buffer.size) encoder->too_large = true;
  if (encoder->too_large || encoder->failed) return -1;
  if (gmi_buffer_append(&encoder->buffer, bytes, size)) return 0;
  encoder->failed = true;
  return -1;
}

static void pack_text(gmi_encoder* encoder, const char* text, size_t length) {
  if (length > GMI_MESSAGE_BYTES) encoder->too_large = true;
  if (!encoder->too_large) msgpack_pack_str_with_body(&encoder->packer, text, length);
}

static void pack_string(gmi_encoder* encoder, const char* text) {
  pack_text(encoder, text, strlen(text));
}

static void open_params(gmi_encoder* encoder) {
  msgpack_pack_array(&encoder->packer, 1);
  encoder->map_at = encoder->buffer.size;
  msgpack_pack_map(&encoder->packer, 0);
}

static void open_message(gmi_encoder* encoder) {
  gmi_buffer_init(&encoder->buffer, encoder->storage, sizeof encoder->storage);
  encoder->failed = false;
  encoder->too_large = false;
  encoder->fields = 0;
  msgpack_packer_init(&encoder->packer, encoder, write_bytes);
}

void gmi_encode_request(gmi_encoder* encoder, uint32_t id, const char* method) {
  open_message(encoder);
  msgpack_pack_array(&encoder->packer, 4);
  msgpack_pack_uint8(&encoder->packer, 0);
  msgpack_pack_uint32(&encoder->packer, id);
  pack_string(encoder, method);
  open_params(encoder);
}

void gmi_encode_notification(gmi_encoder* encoder, const char* method) {
  open_message(encoder);
  msgpack_pack_array(&encoder->packer, 3);
  msgpack_pack_uint8(&encoder->packer, 2);
  pack_string(encoder, method);
  open_params(encoder);
}

void gmi_encoder_free(gmi_encoder* encoder) { gmi_buffer_free(&encoder->buffer); }

static void put_key(gmi_encoder* encoder, const char* key) {
  ++encoder->fields;
  pack_string(encoder, key);
}

void gmi_put_text(gmi_encoder* encoder, const char* key, const char* text, size_t length) {
  put_key(encoder, key);
  pack_text(encoder, text, length);
}

void gmi_put_string(gmi_encoder* encoder, const char* key, const char* text) {
  gmi_put_text(encoder, key, text, strlen(text));
}

void gmi_put_int(gmi_encoder* encoder, const char* key, int64_t value) {
  put_key(encoder, key);
  msgpack_pack_int64(&encoder->packer, value);
}

void gmi_put_u64(gmi_encoder* encoder, const char* key, uint64_t value) {
  put_key(encoder, key);
  msgpack_pack_uint64(&encoder->packer, value);
}

void gmi_put_float(gmi_encoder* encoder, const char* key, float value) {
  put_key(encoder, key);
  msgpack_pack_float(&encoder->packer, value);
}

void gmi_put_bool(gmi_encoder* encoder, const char* key, bool value) {
  put_key(encoder, key);
  if (value) {
    msgpack_pack_true(&encoder->packer);
  } else {
    msgpack_pack_false(&encoder->packer);
  }
}

static bool open_array(gmi_encoder* encoder, const char* key, size_t count) {
  put_key(encoder, key);
  if (count > GMI_MESSAGE_VALUES) encoder->too_large = true;
  if (!encoder->too_large) msgpack_pack_array(&encoder->packer, count);
  return !encoder->too_large;
}

void gmi_put_tokens(gmi_encoder* encoder, const char* key, const int32_t* tokens, size_t count) {
  if (!open_array(encoder, key, count)) return;
  for (size_t i = 0; i < count; ++i) msgpack_pack_int32(&encoder->packer, tokens[i]);
}

void gmi_put_strings(gmi_encoder* encoder, const char* key, const char* const* texts,
                     size_t count) {
  if (!open_array(encoder, key, count)) return;
  for (size_t i = 0; i < count; ++i) pack_string(encoder, texts[i]);
}

void gmi_put_messages(gmi_encoder* encoder, const char* key, const gm_message* messages,
                      size_t count) {
  if (!open_array(encoder, key, count)) return;
  for (size_t i = 0; i < count; ++i) {
    msgpack_pack_map(&encoder->packer, 2);
    pack_string(encoder, "role");
    pack_string(encoder, messages[i].role);
    pack_string(encoder, "content");
    pack_string(encoder, messages[i].content);
  }
}

void gmi_put_biases(gmi_encoder* encoder, const char* key, const gm_logit_bias* biases,
                    size_t count) {
  if (!open_array(encoder, key, count)) return;
  for (size_t i = 0; i < count; ++i) {
    msgpack_pack_array(&encoder->packer, 2);
    msgpack_pack_int32(&encoder->packer, biases[i].token);
    msgpack_pack_float(&encoder->packer, biases[i].bias);
  }
}

/* The header was written for no fields; a larger one moves what follows. */
static void close_params(gmi_encoder* encoder) {
  unsigned char header[3] = {(unsigned char)(0x80 | encoder->fields)};
  size_t extra = 0;
  if (encoder->fields > kFixMapFields) {
    header[0] = 0xde;
    header[1] = (unsigned char)(encoder->fields >> 8);
    header[2] = (unsigned char)encoder->fields;
    extra = 2;
  }
  if (encoder->failed || encoder->too_large) return;
  if (!gmi_buffer_reserve(&encoder->buffer, extra)) {
    encoder->failed = true;
    return;
  }
  char* at = encoder->buffer.data + encoder->map_at;
  if (extra > 0) memmove(at + 1 + extra, at + 1, encoder->buffer.size - encoder->map_at - 1);
  memcpy(at, header, 1 + extra);
  encoder->buffer.size += extra;
}

/* Whether the daemon's limit of values is passed, by the same walk; a value has at least one byte.
 */
static bool has_too_many_values(const gmi_encoder* encoder) {
  if (encoder->buffer.size <= GMI_MESSAGE_VALUES) return false;
  gmi_scan scan;
  gmi_scan_reset(&scan);
  return gmi_scan_run(&scan, encoder->buffer.data, encoder->buffer.size) != GMI_SCAN_DONE;
}

gm_status gmi_encoder_finish(gmi_encoder* encoder, size_t limit_bytes) {
  close_params(encoder);
  if (encoder->failed) return gmi_fail_nomem();
  if (encoder->too_large || encoder->buffer.size > limit_bytes || has_too_many_values(encoder)) {
    return gmi_fail(
        GM_E_INVALID,
        "the request is larger than the %zu bytes, or has more than the %zu values, that "
        "the daemon takes; make it shorter",
        limit_bytes, GMI_MESSAGE_VALUES);
  }
  return GM_OK;
}
