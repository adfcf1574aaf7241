#include "release.h"

#include <errno.h>
#include <stdlib.h>

#include "call.h"
#include "structs.h"
#include "wait.h"

static const gmi_layout kReportLayout = {"gm_release_report", sizeof(gm_release_report),
                                         sizeof(gm_release_report)};

static gm_lease* lease_of(gmi_pending* pending) {
  return (gm_lease*)((char*)pending - offsetof(gm_lease, release));
}

static void settle(gm_lease* lease) {
  lease->state = GMI_LEASE_RELEASED;
  gmi_wake(lease->client, lease);
  gmi_lease_unref(lease);
}

static void lost(gm_client* client, gmi_pending* pending) {
  (void)client;
  settle(lease_of(pending));
}

static const char* read_report(const msgpack_object* map, gm_release_report* out) {
  static const char* const kOutcomes[] = {
      "", "kept", "still_leased", "kept_wanted", "freed", "unverified", NULL};
  gmi_reader reader = gmi_read_map(map, "the report");
  out->outcome = gmi_read_word(&reader, "outcome", kOutcomes);
  out->remaining_leases = (uint32_t)gmi_read_u64(&reader, "remaining_leases", UINT32_MAX, false);
  out->expected_bytes = gmi_read_u64(&reader, "expected_bytes", UINT64_MAX, false);
  out->freed_bytes = gmi_read_u64(&reader, "freed_bytes", UINT64_MAX, false);
  out->residual_bytes = gmi_read_u64(&reader, "residual_bytes", UINT64_MAX, false);
  out->unload_ms = (uint32_t)gmi_read_u64(&reader, "unload_ms", UINT32_MAX, false);
  return reader.fault;
}

/* The release's answer for the program. GM_OK and GM_E_RESIDUAL fill the report. `fault`: what in
 * the answer breaks the protocol. */
static gm_status read_answer(const gmi_message* answer, gm_release_report* report, gmi_error* error,
                             const char** fault) {
  *fault = NULL;
  *error = (gmi_error){.status = GM_OK};
  if (answer->error == NULL) {
    *fault = read_report(answer->result, report);
    return GM_OK;
  }
  if (!gmi_error_read(answer->error, error)) {
    *fault = "an error without a code";
    return GM_OK;
  }
  if (error->status == GM_E_RESIDUAL) {
    gmi_reader reader = gmi_read_map(answer->error, "error");
    *fault = read_report(gmi_find(&reader, "detail"), report);
  }
  return error->status;
}

static gm_status answered(gm_client* client, gmi_pending* pending, gmi_message* message) {
  gm_lease* lease = lease_of(pending);
  gm_release_report report;
  gmi_error error;
  const char* fault;
  read_answer(message, &report, &error, &fault);
  free(error.detail);
  if (fault != NULL) {
    gmi_client_broke(client, "the answer to lease.release", fault);
    gmi_message_free(message);
  } else {
    lease->answer = message;
  }
  settle(lease);
  return GM_OK;
}

static void encode(const gm_lease* lease, gmi_encoder* encoder) {
  gmi_encode_request(encoder, lease->release.id, "lease.release");
  gmi_put_u64(encoder, "lease", lease->id);
  gmi_put_u64(encoder, "epoch", lease->epoch);
}

static bool pay(gm_client* client, gmi_pending* pending) {
  gmi_encoder encoder;
  encode(lease_of(pending), &encoder);
  bool sent = gmi_encoder_finish(&encoder, client->message_bytes) == GM_OK &&
              gmi_link_send(&client->link, encoder.buffer.data, encoder.buffer.size) == GM_OK;
  gmi_encoder_free(&encoder);
  return sent;
}

static const gmi_pending_ops kOps = {answered, NULL, lost, pay};

static void open_release(gm_lease* lease) {
  lease->release.ops = &kOps;
  lease->release.id = gmi_client_next_id(lease->client);
}

void gmi_release_unattended(gm_lease* lease) {
  gm_client* client = lease->client;
  if (client->ended.status != GM_OK) return;
  open_release(lease);
  lease->state = GMI_LEASE_RELEASING;
  gmi_lease_ref(lease);
  gmi_pending_add(&client->pending, &lease->release);
  gmi_client_owe(client, &lease->release);
}

static gm_status send_release(gm_lease* lease) {
  open_release(lease);
  gmi_encoder encoder;
  encode(lease, &encoder);
  gm_status status = gmi_encoder_finish(&encoder, lease->client->message_bytes);
  if (status == GM_OK) status = gmi_client_send(lease->client, &lease->release, &encoder);
  gmi_encoder_free(&encoder);
  if (status != GM_OK) return status;
  lease->state = GMI_LEASE_RELEASING;
  gmi_lease_ref(lease);
  return GM_OK;
}

static bool released(const void* subject) {
  const gm_lease* lease = subject;
  return lease->state == GMI_LEASE_RELEASED;
}

static gm_status report_answer(gm_lease* lease, gm_release_report* out) {
  if (lease->answer == NULL) return gmi_client_check(lease->client);
  gm_release_report report = GM_RELEASE_REPORT_INIT;
  gmi_error error;
  const char* fault;
  gm_status status = read_answer(lease->answer, &report, &error, &fault);
  if (out != NULL && (status == GM_OK || status == GM_E_RESIDUAL)) {
    gmi_struct_write(&kReportLayout, &report, out);
  }
  return status == GM_OK ? GM_OK : gmi_fail_take(&error);
}

static gm_status release(gm_lease* lease, int32_t timeout_ms, gm_release_report* report) {
  gm_status status = report != NULL ? gmi_struct_check(&kReportLayout, report) : GM_OK;
  if (status == GM_OK) status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/true);
  if (status != GM_OK) return status;
  if (lease->state != GMI_LEASE_RELEASING && lease->state != GMI_LEASE_RELEASED) {
    status = gmi_lease_check(lease);
    if (status == GM_OK) status = send_release(lease);
    if (status != GM_OK) return status;
  }
  status = gmi_wait(lease->client, released, lease, gmi_deadline_after(timeout_ms));
  return status == GM_OK ? report_answer(lease, report) : status;
}

gm_status gm_lease_release(gm_lease* lease, int32_t timeout_ms, gm_release_report* report) {
  if (lease == NULL) return gmi_fail_null("lease");
  int saved_errno = errno;
  gm_client* client = lease->client;
  gm_status status = gmi_enter(client, "lease");
  if (status == GM_OK) {
    gmi_lock(client);
    status = release(lease, timeout_ms, report);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}
