/* Whole texts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "lease.h"
#include "request.h"
#include "result.h"

/* A malloc'd, terminated copy; NULL: out of memory. */
static char* copy_text(gmi_text text) {
  char* copy = malloc(text.size + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text.data, text.size);
  copy[text.size] = '\0';
  return copy;
}

static gm_status take_text(gm_client* client, const msgpack_object* value, char** text,
                           gm_result* result) {
  gm_result filled;
  const char* fault = gmi_result_read(value, &filled);
  gmi_reader reader = gmi_read_map(value, "result");
  gmi_text output = gmi_read_text(&reader, "text", /*needed=*/true);
  if (fault == NULL) fault = reader.fault;
  if (fault != NULL) return gmi_client_broke(client, "the answer to generate", fault);
  char* copy = copy_text(output);
  if (copy == NULL) return gmi_fail_nomem();
  *text = copy;
  filled.text_len = output.size;
  if (result != NULL) gmi_struct_write(&gmi_result_layout, &filled, result);
  return GM_OK;
}

/* Lock held. */
static gm_status complete(gm_lease* lease, const gm_request* request, char** text,
                          gm_result* result) {
  gm_client* client = lease->client;
  gm_status status = result != NULL ? gmi_struct_check(&gmi_result_layout, result) : GM_OK;
  if (status == GM_OK) status = gmi_request_check(client, request);
  if (status == GM_OK && (request->logprobs > 0 || request->top_logprobs > 0)) {
    status = gmi_fail(GM_E_INVALID, "log-probabilities come with chunks: use gm_generate");
  }
  if (status == GM_OK) status = gmi_lease_check(lease);
  if (status != GM_OK) return status;
  gmi_call* call;
  gmi_encoder encoder;
  status = gmi_call_begin(client, "generate", &call, &encoder);
  if (status != GM_OK) return status;
  gmi_call_generates(call, lease->id, lease->epoch);
  gmi_put_u64(&encoder, "lease", lease->id);
  gmi_put_u64(&encoder, "epoch", lease->epoch);
  gmi_request_encode(&encoder, request, /*stream=*/false);
  gmi_message* response;
  status = gmi_call_run(client, call, &encoder, gmi_deadline_after(GM_WAIT_FOREVER),
                        /*cancels=*/true, &response);
  if (status != GM_OK) return status;
  status = take_text(client, response->result, text, result);
  gmi_message_free(response);
  return status;
}

/* `given` with its input replaced. */
static gm_status complete_with(gm_lease* lease, const char* prompt, const gm_message* messages,
                               size_t count, const gm_request* given, char** text,
                               gm_result* result) {
  if (lease == NULL) return gmi_fail_null("lease");
  if (text == NULL) return gmi_fail_null("text");
  gm_client* client = lease->client;
  gm_request request;
  gm_status status = gmi_enter(client, "lease");
  if (status == GM_OK) status = gmi_request_read(given, &request);
  if (status != GM_OK) return status;
  request.prompt = prompt;
  request.prompt_len = 0;
  request.messages = messages;
  request.message_count = count;
  request.messages_json = NULL;
  request.tokens = NULL;
  request.token_count = 0;
  gmi_lock(client);
  status = complete(lease, &request, text, result);
  gmi_leave(client);
  return status;
}

gm_status gm_complete(gm_lease* lease, const char* prompt, const gm_request* request, char** text,
                      gm_result* result) {
  if (prompt == NULL) return gmi_fail_null("prompt");
  int saved_errno = errno;
  gm_status status = complete_with(lease, prompt, NULL, 0, request, text, result);
  errno = saved_errno;
  return status;
}

gm_status gm_chat(gm_lease* lease, const gm_message* messages, size_t count,
                  const gm_request* request, char** text, gm_result* result) {
  if (messages == NULL) return gmi_fail_null("messages");
  int saved_errno = errno;
  gm_status status = complete_with(lease, NULL, messages, count, request, text, result);
  errno = saved_errno;
  return status;
}
