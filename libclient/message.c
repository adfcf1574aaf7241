#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

static const char* read_response(gmi_message* message, const msgpack_object_array* array) {
  uint64_t id;
  if (array->size != 4) return "a response that has not four elements";
  if (!gmi_as_u64(&array->ptr[1], UINT32_MAX, &id)) return "a response without a request's number";
  message->type = GMI_RESPONSE;
  message->id = (uint32_t)id;
  message->result = &array->ptr[3];
  if (array->ptr[2].type == MSGPACK_OBJECT_NIL) return NULL;
  if (array->ptr[2].type != MSGPACK_OBJECT_MAP) return "a response whose error is no map";
  message->error = &array->ptr[2];
  return NULL;
}

static const char* read_notification(gmi_message* message, const msgpack_object_array* array) {
  if (array->size != 3) return "a notification that has not three elements";
  if (array->ptr[1].type != MSGPACK_OBJECT_STR) return "a notification without a method";
  const msgpack_object* params = &array->ptr[2];
  if (params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size != 1 ||
      params->via.array.ptr[0].type != MSGPACK_OBJECT_MAP) {
    return "a notification whose params are not one map";
  }
  message->type = GMI_NOTIFICATION;
  message->method = &array->ptr[1];
  message->params = &params->via.array.ptr[0];
  return NULL;
}

static const char* read_frame(gmi_message* message) {
  const msgpack_object_array* array = &message->root.via.array;
  uint64_t type = 0;
  if (message->root.type != MSGPACK_OBJECT_ARRAY || array->size < 3 ||
      !gmi_as_u64(&array->ptr[0], GMI_NOTIFICATION, &type)) {
    return "something that is no MessagePack-RPC message";
  }
  if (type == GMI_RESPONSE) return read_response(message, array);
  if (type == GMI_NOTIFICATION) return read_notification(message, array);
  return "a request, which only clients send";
}

gm_status gmi_message_unpack(const char* data, size_t size, size_t values, gmi_message** out,
                             const char** fault) {
  gmi_message* message = malloc(sizeof *message + size);
  if (message == NULL) return GM_E_NOMEM;
  memset(message, 0, sizeof *message);
  memcpy(message->bytes, data, size);
  /* One chunk holds all objects, and the plain numbers that are read from them (chunk.h). */
  size_t zone_bytes = values * (sizeof(msgpack_object) + sizeof(float)) + 512;
  if (!msgpack_zone_init(&message->zone, zone_bytes)) {
    free(message);
    return GM_E_NOMEM;
  }
  message->cost_bytes = sizeof *message + size + zone_bytes;
  size_t offset = 0;
  /* The scan was passed, so that what fails here is memory. */
  if (msgpack_unpack(message->bytes, size, &offset, &message->zone, &message->root) !=
      MSGPACK_UNPACK_SUCCESS) {
    gmi_message_free(message);
    return GM_E_NOMEM;
  }
  *fault = read_frame(message);
  if (*fault != NULL) {
    gmi_message_free(message);
    return GM_E_PROTOCOL;
  }
  *out = message;
  return GM_OK;
}

void gmi_message_free(gmi_message* message) {
  if (message == NULL) return;
  msgpack_zone_destroy(&message->zone);
  free(message);
}

bool gmi_error_read(const msgpack_object* map, gmi_error* out) {
  gmi_reader reader = gmi_read_map(map, "error");
  int64_t code = gmi_read_i64(&reader, "code", /*needed=*/true);
  gmi_text text = gmi_read_text(&reader, "message", /*needed=*/false);
  *out = (gmi_error){.retry_after_ms = -1};
  out->retryable = gmi_read_bool(&reader, "retryable");
  if (gmi_find(&reader, "retry_after_ms") != NULL) {
    out->retry_after_ms =
        (int64_t)gmi_read_u64(&reader, "retry_after_ms", INT64_MAX, /*needed=*/true);
  }
  if (reader.fault != NULL || code >= 0 || code < INT32_MIN) return false;
  out->status = (gm_status)code;
  if (text.size == 0) {
    text.data = gm_status_text(out->status);
    text.size = strlen(text.data);
  }
  gmi_copy_text(out->message, sizeof out->message, text.data, text.size);
  const msgpack_object* detail = gmi_find(&reader, "detail");
  if (detail != NULL) out->detail = gmi_json_text(detail);
  return true;
}
