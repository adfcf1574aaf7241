#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "structs.h"

static const gmi_layout kInfoLayout = {"gm_model_info", sizeof(gm_model_info),
                                       sizeof(gm_model_info)};

struct gm_models {
  size_t count;
  char* strings; /* of all rows */
  gm_model_info rows[];
};

/* Where the rows' strings go; with at NULL it only adds up their size. */
typedef struct string_store {
  char* at;
  size_t bytes;
} string_store;

static const char* store(string_store* strings, gmi_text text) {
  strings->bytes += text.size + 1;
  if (strings->at == NULL) return NULL;
  char* copy = strings->at;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  strings->at += text.size + 1;
  return copy;
}

static const char* read_row(const msgpack_object* value, string_store* strings,
                            gm_model_info* row) {
  static const char* const kStates[] = {"not_loaded", "loading",  "ready",  "suspended",
                                        "unloading",  "unloaded", "failed", NULL};
  *row = (gm_model_info)GM_MODEL_INFO_INIT;
  gmi_reader reader = gmi_read_map(value, "model");
  row->name = store(strings, gmi_read_text(&reader, "name", /*needed=*/true));
  row->architecture = store(strings, gmi_read_text(&reader, "architecture", /*needed=*/false));
  row->dtype = store(strings, gmi_read_text(&reader, "dtype", /*needed=*/false));
  row->parameters = gmi_read_u64(&reader, "parameters", UINT64_MAX, /*needed=*/false);
  row->device_bytes = gmi_read_u64(&reader, "device_bytes", UINT64_MAX, /*needed=*/false);
  row->context_tokens = (uint32_t)gmi_read_u64(&reader, "context_tokens", UINT32_MAX, false);
  row->state = gmi_read_word(&reader, "state", kStates);
  row->leases = (uint32_t)gmi_read_u64(&reader, "leases", UINT32_MAX, /*needed=*/false);
  row->waiting = (uint32_t)gmi_read_u64(&reader, "waiting", UINT32_MAX, /*needed=*/false);
  return reader.fault;
}

/* GM_E_NOMEM, or GM_E_PROTOCOL with `fault`. */
static gm_status read_models(const msgpack_object* result, gm_models** out, const char** fault) {
  gmi_reader reader = gmi_read_map(result, "result");
  const msgpack_object_array* array = gmi_read_array(&reader, "models", /*needed=*/true);
  *fault = reader.fault;
  string_store strings = {NULL, 0};
  gm_model_info ignored;
  for (uint32_t i = 0; *fault == NULL && i < array->size; ++i) {
    *fault = read_row(&array->ptr[i], &strings, &ignored);
  }
  if (*fault != NULL) return GM_E_PROTOCOL;
  gm_models* models = calloc(1, sizeof *models + array->size * sizeof(gm_model_info));
  char* text = malloc(strings.bytes + 1);
  if (models == NULL || text == NULL) {
    free(models);
    free(text);
    return GM_E_NOMEM;
  }
  models->count = array->size;
  models->strings = text;
  strings.at = text;
  for (uint32_t i = 0; i < array->size; ++i) read_row(&array->ptr[i], &strings, &models->rows[i]);
  *out = models;
  return GM_OK;
}

/* Lock held. */
static gm_status get_models(gm_client* client, int32_t timeout_ms, gm_models** out) {
  gmi_call* call;
  gmi_encoder encoder;
  gm_status status = gmi_call_begin(client, "models", &call, &encoder);
  if (status != GM_OK) return status;
  gmi_message* response;
  status = gmi_call_run(client, call, &encoder, gmi_deadline_after(timeout_ms), /*cancels=*/false,
                        &response);
  if (status != GM_OK) return status;
  const char* fault = NULL;
  status = read_models(response->result, out, &fault);
  if (status == GM_E_PROTOCOL) status = gmi_client_broke(client, "the answer to models", fault);
  if (status == GM_E_NOMEM) status = gmi_fail_nomem();
  gmi_message_free(response);
  return status;
}

gm_status gm_models_get(gm_client* client, int32_t timeout_ms, gm_models** out) {
  if (out == NULL) return gmi_fail_null("out");
  int saved_errno = errno;
  gm_status status = gmi_enter(client, "client");
  if (status == GM_OK) status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/false);
  if (status == GM_OK) {
    gmi_lock(client);
    status = get_models(client, timeout_ms, out);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}

size_t gm_models_count(const gm_models* models) { return models != NULL ? models->count : 0; }

gm_status gm_models_at(const gm_models* models, size_t index, gm_model_info* out) {
  if (models == NULL) return gmi_fail_null("models");
  if (out == NULL) return gmi_fail_null("out");
  gm_status status = gmi_struct_check(&kInfoLayout, out);
  if (status != GM_OK) return status;
  if (index >= models->count) {
    return gmi_fail(GM_E_INVALID, "there is no model %zu in a list of %zu", index, models->count);
  }
  gmi_struct_write(&kInfoLayout, &models->rows[index], out);
  return GM_OK;
}

void gm_models_free(gm_models* models) {
  if (models == NULL) return;
  free(models->strings);
  free(models);
}
