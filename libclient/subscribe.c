#include <errno.h>

#include "call.h"
#include "features.h"
#include "value.h"

/* Lock held. */
static gm_status subscribe(gm_client* client, bool on, int32_t timeout_ms) {
  gmi_call* call;
  gmi_encoder encoder;
  gm_status status = gmi_call_begin(client, "events.subscribe", &call, &encoder);
  if (status != GM_OK) return status;
  gmi_put_bool(&encoder, "on", on);
  gmi_message* response;
  status = gmi_call_run(client, call, &encoder, gmi_deadline_after(timeout_ms), /*cancels=*/false,
                        &response);
  if (status != GM_OK) return status;
  gmi_reader reader = gmi_read_map(response->result, "result");
  gmi_read_u64(&reader, "next_seq", UINT64_MAX, /*needed=*/true);
  if (reader.fault != NULL) {
    status = gmi_client_broke(client, "the answer to events.subscribe", reader.fault);
  }
  gmi_message_free(response);
  return status;
}

gm_status gm_subscribe(gm_client* client, uint32_t on, int32_t timeout_ms) {
  int saved_errno = errno;
  gm_status status = gmi_enter(client, "client");
  if (status == GM_OK) status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/false);
  if (status == GM_OK && on > 1) status = gmi_fail(GM_E_INVALID, "on is %u; give 0 or 1", on);
  if (status == GM_OK && client->on_event == NULL) {
    status =
        gmi_fail(GM_E_INVALID, "events are told to on_event, which this client was opened without");
  }
  if (status == GM_OK) status = gmi_need_feature(client, GMI_FEATURE_EVENTS, "gm_subscribe");
  if (status == GM_OK) {
    gmi_lock(client);
    status = subscribe(client, on != 0, timeout_ms);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}
