#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool put(gmi_buffer* out, const char* text) {
  return gmi_buffer_append(out, text, strlen(text));
}

/* Bytes of the UTF-8 character at `at`; 0 if there is none. RFC 3629: no surrogates, no overlong
 * forms. */
static size_t character_bytes(const unsigned char* at, size_t left) {
  unsigned char first = at[0];
  if (first < 0x80) return 1;
  size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || left < bytes) return 0;
  unsigned char low = 0x80, high = 0xbf;
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < bytes; ++i) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  return bytes;
}

static bool put_escaped(gmi_buffer* out, unsigned char c) {
  char escape[8];
  if (c == '"' || c == '\\') {
    snprintf(escape, sizeof escape, "\\%c", c);
  } else if (c == '\n') {
    return put(out, "\\n");
  } else {
    snprintf(escape, sizeof escape, "\\u%04x", c);
  }
  return put(out, escape);
}

static bool put_string(gmi_buffer* out, const char* text, size_t length) {
  /* msgpack-c gives an empty string no address, and C no arithmetic on none. */
  if (length == 0) return put(out, "\"\"");
  if (!put(out, "\"")) return false;
  const unsigned char* at = (const unsigned char*)text;
  const unsigned char* end = at + length;
  while (at < end) {
    size_t bytes = character_bytes(at, (size_t)(end - at));
    bool ok;
    if (bytes == 0) {
      ok = put(out, "\xef\xbf\xbd");
      bytes = 1;
    } else if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7f) {
      ok = put_escaped(out, *at);
    } else {
      ok = gmi_buffer_append(out, at, bytes);
    }
    if (!ok) return false;
    at += bytes;
  }
  return put(out, "\"");
}

/* printf writes the locale's decimal point; whatever it is, JSON's is a full stop. */
static bool put_double(gmi_buffer* out, double value) {
  if (!isfinite(value)) return put(out, "null");
  char text[64];
  snprintf(text, sizeof text, "%.17g", value);
  char plain[64];
  size_t length = 0;
  for (const char* at = text; *at != '\0'; ++at) {
    if (strchr("0123456789+-e", *at) != NULL) {
      plain[length++] = *at;
    } else if (length > 0 && plain[length - 1] != '.') {
      plain[length++] = '.';
    }
  }
  return gmi_buffer_append(out, plain, length);
}

static bool put_integer(gmi_buffer* out, const msgpack_object* value) {
  char text[24];
  if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
    snprintf(text, sizeof text, "%" PRIu64, value->via.u64);
  } else {
    snprintf(text, sizeof text, "%" PRId64, value->via.i64);
  }
  return put(out, text);
}

static bool put_array(gmi_buffer* out, const msgpack_object_array* array) {
  if (!put(out, "[")) return false;
  for (uint32_t i = 0; i < array->size; ++i) {
    if (i > 0 && !put(out, ",")) return false;
    if (!gmi_json_append(out, &array->ptr[i])) return false;
  }
  return put(out, "]");
}

static bool put_key(gmi_buffer* out, const msgpack_object* key) {
  if (key->type == MSGPACK_OBJECT_STR) return gmi_json_append(out, key);
  /* As text inside text, each level's quotes would double the ones below: 30 levels are a gigabyte. */
  if (key->type == MSGPACK_OBJECT_ARRAY) return put(out, "\"[...]\"");
  if (key->type == MSGPACK_OBJECT_MAP) return put(out, "\"{...}\"");
  gmi_buffer text;
  gmi_buffer_init(&text, NULL, 0);
  bool ok = gmi_json_append(&text, key) && put_string(out, text.data, text.size);
  gmi_buffer_free(&text);
  return ok;
}

static bool put_map(gmi_buffer* out, const msgpack_object_map* map) {
  if (!put(out, "{")) return false;
  for (uint32_t i = 0; i < map->size; ++i) {
    if (i > 0 && !put(out, ",")) return false;
    if (!put_key(out, &map->ptr[i].key) || !put(out, ":")) return false;
    if (!gmi_json_append(out, &map->ptr[i].val)) return false;
  }
  return put(out, "}");
}

bool gmi_json_append(gmi_buffer* out, const msgpack_object* value) {
  switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
      return put(out, value->via.boolean ? "true" : "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
      return put_integer(out, value);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
      return put_double(out, value->via.f64);
    case MSGPACK_OBJECT_STR:
      return put_string(out, value->via.str.ptr, value->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
      return put_array(out, &value->via.array);
    case MSGPACK_OBJECT_MAP:
      return put_map(out, &value->via.map);
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
      return put(out, "null");
  }
  return put(out, "null");
}

static char* finish(gmi_buffer* out, bool ok) {
  if (ok && gmi_buffer_append(out, "", 1)) return out->data;
  gmi_buffer_free(out);
  return NULL;
}

char* gmi_json_text(const msgpack_object* value) {
  gmi_buffer out;
  gmi_buffer_init(&out, NULL, 0);
  return finish(&out, gmi_json_append(&out, value));
}

char* gmi_json_error(const gmi_error* error) {
  gmi_buffer out;
  gmi_buffer_init(&out, NULL, 0);
  char number[32];
  const char* name = gmi_status_wire_name(error->status);
  if (name == NULL) name = error->status == GM_OK ? "ok" : "unknown";
  snprintf(number, sizeof number, "{\"code\":%" PRId32, error->status);
  bool ok = put(&out, number) && put(&out, ",\"name\":") && put_string(&out, name, strlen(name)) &&
            put(&out, ",\"message\":") &&
            put_string(&out, error->message, strlen(error->message)) && put(&out, ",\"detail\":") &&
            put(&out, error->detail != NULL ? error->detail : "null") &&
            put(&out, error->retryable ? ",\"retryable\":true" : ",\"retryable\":false") &&
            put(&out, ",\"retry_after_ms\":");
  if (error->retry_after_ms >= 0) {
    snprintf(number, sizeof number, "%" PRId64 "}", error->retry_after_ms);
  } else {
    snprintf(number, sizeof number, "null}");
  }
  return finish(&out, ok && put(&out, number));
}
