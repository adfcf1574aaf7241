/* Text tools of a leased model. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "features.h"
#include "lease.h"

/* One exchange about a leased model. */
typedef struct exchange {
  const char* method;
  void (*put)(gmi_encoder* encoder, const void* input);
  const void* input;
  /* GM_E_NOMEM, or GM_E_PROTOCOL with `fault`. */
  gm_status (*take)(const msgpack_object* result, void* output, const char** fault);
  void* output;
} exchange;

/* Lock held. */
static gm_status run(gm_lease* lease, int32_t timeout_ms, const exchange* about) {
  gm_client* client = lease->client;
  gm_status status = gmi_lease_check(lease);
  if (status != GM_OK) return status;
  gmi_call* call;
  gmi_encoder encoder;
  status = gmi_call_begin(client, about->method, &call, &encoder);
  if (status != GM_OK) return status;
  gmi_put_u64(&encoder, "lease", lease->id);
  gmi_put_u64(&encoder, "epoch", lease->epoch);
  about->put(&encoder, about->input);
  gmi_message* response;
  status = gmi_call_run(client, call, &encoder, gmi_deadline_after(timeout_ms), /*cancels=*/false,
                        &response);
  if (status != GM_OK) return status;
  const char* fault = NULL;
  status = about->take(response->result, about->output, &fault);
  if (status == GM_E_PROTOCOL) status = gmi_client_broke(client, about->method, fault);
  if (status == GM_E_NOMEM) status = gmi_fail_nomem();
  gmi_message_free(response);
  return status;
}

static gm_status exchange_with(gm_lease* lease, uint32_t feature, int32_t timeout_ms,
                               const exchange* about) {
  if (lease == NULL) return gmi_fail_null("lease");
  int saved_errno = errno;
  gm_client* client = lease->client;
  gm_status status = gmi_enter(client, "lease");
  if (status == GM_OK) status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/false);
  if (status == GM_OK && feature != 0) status = gmi_need_feature(client, feature, about->method);
  if (status == GM_OK) {
    gmi_lock(client);
    status = run(lease, timeout_ms, about);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}

typedef struct text_output {
  char* text;
  size_t length;
} text_output;

static gm_status take_text(const msgpack_object* result, void* output, const char** fault) {
  text_output* out = output;
  gmi_reader reader = gmi_read_map(result, "result");
  gmi_text text = gmi_read_text(&reader, "text", /*needed=*/true);
  *fault = reader.fault;
  if (*fault != NULL) return GM_E_PROTOCOL;
  out->text = malloc(text.size + 1);
  if (out->text == NULL) return GM_E_NOMEM;
  memcpy(out->text, text.data, text.size);
  out->text[text.size] = '\0';
  out->length = text.size;
  return GM_OK;
}

static void put_messages_json(gmi_encoder* encoder, const void* input) {
  gmi_put_string(encoder, "messages_json", input);
}

gm_status gm_render(gm_lease* lease, const char* messages_json, int32_t timeout_ms, char** text) {
  if (messages_json == NULL) return gmi_fail_null("messages_json");
  if (text == NULL) return gmi_fail_null("text");
  text_output output;
  exchange about = {"render", put_messages_json, messages_json, take_text, &output};
  gm_status status = exchange_with(lease, GMI_FEATURE_RENDER, timeout_ms, &about);
  if (status == GM_OK) *text = output.text;
  return status;
}

typedef struct tokens_output {
  int32_t* tokens;
  size_t count;
} tokens_output;

static gm_status take_tokens(const msgpack_object* result, void* output, const char** fault) {
  tokens_output* out = output;
  gmi_reader reader = gmi_read_map(result, "result");
  const msgpack_object_array* array = gmi_read_array(&reader, "tokens", /*needed=*/true);
  *fault = reader.fault;
  if (*fault != NULL) return GM_E_PROTOCOL;
  out->count = array->size;
  out->tokens = malloc((out->count + 1) * sizeof *out->tokens);
  if (out->tokens == NULL) return GM_E_NOMEM;
  if (gmi_as_tokens(array, out->tokens)) return GM_OK;
  free(out->tokens);
  *fault = "tokens";
  return GM_E_PROTOCOL;
}

static void put_text(gmi_encoder* encoder, const void* input) {
  const gmi_text* text = input;
  gmi_put_text(encoder, "text", text->data, text->size);
}

gm_status gm_tokenize(gm_lease* lease, const char* text, size_t text_len, int32_t timeout_ms,
                      int32_t** tokens, size_t* count) {
  if (text == NULL) return gmi_fail_null("text");
  if (tokens == NULL) return gmi_fail_null("tokens");
  if (count == NULL) return gmi_fail_null("count");
  gmi_text input = {text, text_len > 0 ? text_len : strlen(text)};
  tokens_output output;
  exchange about = {"tokenize", put_text, &input, take_tokens, &output};
  gm_status status = exchange_with(lease, 0, timeout_ms, &about);
  if (status != GM_OK) return status;
  *tokens = output.tokens;
  *count = output.count;
  return GM_OK;
}

typedef struct tokens_input {
  const int32_t* tokens;
  size_t count;
} tokens_input;

static void put_tokens(gmi_encoder* encoder, const void* input) {
  const tokens_input* in = input;
  gmi_put_tokens(encoder, "tokens", in->tokens, in->count);
}

gm_status gm_detokenize(gm_lease* lease, const int32_t* tokens, size_t count, int32_t timeout_ms,
                        char** text, size_t* text_len) {
  if (tokens == NULL && count > 0) return gmi_fail_null("tokens");
  if (text == NULL) return gmi_fail_null("text");
  for (size_t i = 0; i < count; ++i) {
    if (tokens[i] >= 0) continue;
    return gmi_fail(GM_E_INVALID, "token %zu is %d; ids are 0 or more", i, tokens[i]);
  }
  tokens_input input = {tokens, count};
  text_output output;
  exchange about = {"detokenize", put_tokens, &input, take_text, &output};
  gm_status status = exchange_with(lease, 0, timeout_ms, &about);
  if (status != GM_OK) return status;
  *text = output.text;
  if (text_len != NULL) *text_len = output.length;
  return GM_OK;
}
