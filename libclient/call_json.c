#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "features.h"

/* Lock held. */
static gm_status call_json(gm_client* client, const char* method, const char* params,
                           int32_t timeout_ms, char** result) {
  gmi_call* call;
  gmi_encoder encoder;
  gm_status status = gmi_call_begin(client, "call_json", &call, &encoder);
  if (status != GM_OK) return status;
  gmi_put_string(&encoder, "method", method);
  if (params != NULL) gmi_put_string(&encoder, "params", params);
  gmi_message* response;
  status = gmi_call_run(client, call, &encoder, gmi_deadline_after(timeout_ms), /*cancels=*/false,
                        &response);
  if (status != GM_OK) return status;
  gmi_reader reader = gmi_read_map(response->result, "result");
  gmi_text text = gmi_read_text(&reader, "result", /*needed=*/true);
  char* copy = reader.fault == NULL ? malloc(text.size + 1) : NULL;
  if (copy != NULL) {
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *result = copy;
  } else if (reader.fault != NULL) {
    status = gmi_client_broke(client, "the answer to call_json", reader.fault);
  } else {
    status = gmi_fail_nomem();
  }
  gmi_message_free(response);
  return status;
}

gm_status gm_call_json(gm_client* client, const char* method, const char* params,
                       int32_t timeout_ms, char** result) {
  if (method == NULL) return gmi_fail_null("method");
  if (result == NULL) return gmi_fail_null("result");
  int saved_errno = errno;
  gm_status status = gmi_enter(client, "client");
  if (status == GM_OK) status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/false);
  if (status == GM_OK) status = gmi_need_feature(client, GMI_FEATURE_CALL_JSON, "gm_call_json");
  if (status == GM_OK) {
    gmi_lock(client);
    status = call_json(client, method, params, timeout_ms, result);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}
