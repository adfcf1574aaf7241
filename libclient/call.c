#include "call.h"

#include <stdlib.h>

#include "wait.h"

struct gmi_call {
  gmi_pending pending;
  bool done;
  bool abandoned; /* nobody waits: freed when answered */
  gmi_message* response;
};

static gmi_call* call_of(gmi_pending* pending) {
  return (gmi_call*)((char*)pending - offsetof(gmi_call, pending));
}

static void settle(gm_client* client, gmi_call* call, gmi_message* response) {
  if (call->abandoned) {
    gmi_message_free(response);
    free(call);
    return;
  }
  call->response = response;
  call->done = true;
  gmi_wake(client, call);
}

static gm_status answered(gm_client* client, gmi_pending* pending, gmi_message* message) {
  settle(client, call_of(pending), message);
  return GM_OK;
}

static void lost(gm_client* client, gmi_pending* pending) {
  settle(client, call_of(pending), NULL);
}

static bool pay(gm_client* client, gmi_pending* pending) {
  return gmi_client_send_cancel(client, pending->id);
}

static const gmi_pending_ops kOps = {answered, NULL, lost, pay};

static bool done(const void* subject) {
  const gmi_call* call = subject;
  return call->done;
}

gm_status gmi_call_begin(gm_client* client, const char* method, gmi_call** out,
                         gmi_encoder* encoder) {
  gm_status status = gmi_client_check(client);
  if (status != GM_OK) return status;
  gmi_call* call = calloc(1, sizeof *call);
  if (call == NULL) return gmi_fail_nomem();
  call->pending.ops = &kOps;
  call->pending.id = gmi_client_next_id(client);
  gmi_encode_request(encoder, call->pending.id, method);
  *out = call;
  return GM_OK;
}

void gmi_call_generates(gmi_call* call, uint64_t lease, uint64_t epoch) {
  call->pending.generation = true;
  call->pending.lease = lease;
  call->pending.epoch = epoch;
}

void gmi_call_drop(gmi_call* call, gmi_encoder* encoder) {
  gmi_encoder_free(encoder);
  free(call);
}

static gm_status take_response(gm_client* client, gmi_call* call, gmi_message** out) {
  gmi_message* response = call->response;
  free(call);
  if (response == NULL) return gmi_client_check(client);
  if (response->error == NULL) {
    *out = response;
    return GM_OK;
  }
  gmi_error error;
  gm_status status = gmi_error_read(response->error, &error)
                         ? gmi_fail_take(&error)
                         : gmi_client_broke(client, "an error", "it has no code");
  gmi_message_free(response);
  return status;
}

gm_status gmi_call_run(gm_client* client, gmi_call* call, gmi_encoder* encoder,
                       gmi_deadline deadline, bool cancels, gmi_message** out) {
  gm_status status = gmi_encoder_finish(encoder, client->message_bytes);
  if (status == GM_OK) status = gmi_client_send(client, &call->pending, encoder);
  if (status != GM_OK) {
    gmi_call_drop(call, encoder);
    return status;
  }
  gmi_encoder_free(encoder);
  status = gmi_wait(client, done, call, deadline);
  if (status == GM_OK || call->done) return take_response(client, call, out);
  call->abandoned = true;
  if (cancels) gmi_client_owe(client, &call->pending);
  if (status != GM_AGAIN) return status;
  return gmi_fail(GM_E_TIMEOUT, "the daemon did not answer in time");
}

gm_status gmi_check_timeout(int32_t timeout_ms, bool zero_allowed) {
  if (timeout_ms > 0 || timeout_ms == GM_WAIT_FOREVER || (timeout_ms == 0 && zero_allowed)) {
    return GM_OK;
  }
  if (timeout_ms == 0) {
    return gmi_fail(GM_E_INVALID,
                    "timeout_ms is 0, but this call has no handle to ask again through");
  }
  return gmi_fail(GM_E_INVALID, "timeout_ms is %d; give milliseconds or GM_WAIT_FOREVER",
                  timeout_ms);
}
