#include "acquire.h"

#include <stdlib.h>

#include "wait.h"

void gmi_acquire_unref(gmi_acquire* acquire) {
  if (--acquire->references > 0) return;
  gmi_message_free(acquire->refused);
  free(acquire);
}

void gmi_acquire_lease_dropped(gm_client* client, gmi_acquire* acquire) {
  for (size_t i = 0; i < acquire->count; ++i) {
    if (acquire->leases[i]->has_handle) return;
  }
  gmi_client_owe(client, &acquire->pending);
}

gmi_acquire* gmi_acquire_take_progress(gm_client* client, gm_event* event) {
  gmi_acquire* acquire = client->progress;
  client->progress = acquire->next_progress;
  acquire->has_progress = false;
  event->type = acquire->phase;
  event->position = acquire->position;
  event->fraction = acquire->fraction;
  event->eta_ms = acquire->eta_ms;
  if (acquire->handles_shown && !acquire->answered && acquire->leases[0]->has_handle) {
    event->lease = acquire->leases[0];
  }
  return acquire;
}

/* The table's reference, and each lease's, are given back. */
static void settle(gm_client* client, gmi_acquire* acquire) {
  acquire->answered = true;
  for (size_t i = 0; i < acquire->count; ++i) {
    gm_lease* lease = acquire->leases[i];
    gmi_wake(client, lease);
    if (acquire->refused == NULL) { /* not needed for its error */
      lease->acquire = NULL;
      gmi_acquire_unref(acquire);
    }
    gmi_lease_unref(lease);
  }
  gmi_acquire_unref(acquire);
}

static void refuse(gm_client* client, gmi_acquire* acquire) {
  for (size_t i = 0; i < acquire->count; ++i) gmi_lease_refused(acquire->leases[i]);
  settle(client, acquire);
}

typedef struct granted_row {
  uint64_t lease;
  uint64_t epoch;
  uint32_t context_tokens;
} granted_row;

static const char* read_rows(const gmi_acquire* acquire, const msgpack_object* result,
                             granted_row* rows) {
  gmi_reader reader = gmi_read_map(result, "result");
  const msgpack_object_array* leases = gmi_read_array(&reader, "leases", /*needed=*/true);
  if (reader.fault != NULL) return reader.fault;
  if (leases->size != acquire->count) return "not as many leases as asked for";
  for (size_t i = 0; i < acquire->count; ++i) {
    gmi_reader row = gmi_read_map(&leases->ptr[i], "lease");
    rows[i].lease = gmi_read_u64(&row, "lease", UINT64_MAX, /*needed=*/true);
    rows[i].epoch = gmi_read_u64(&row, "epoch", UINT64_MAX, /*needed=*/true);
    rows[i].context_tokens = (uint32_t)gmi_read_u64(&row, "context_tokens", UINT32_MAX, false);
    if (row.fault != NULL) return row.fault;
  }
  return NULL;
}

static gmi_acquire* acquire_of(gmi_pending* pending) {
  return (gmi_acquire*)((char*)pending - offsetof(gmi_acquire, pending));
}

static void lost(gm_client* client, gmi_pending* pending) { refuse(client, acquire_of(pending)); }

static gm_status answered(gm_client* client, gmi_pending* pending, gmi_message* message) {
  gmi_acquire* acquire = acquire_of(pending);
  granted_row rows[GMI_ACQUIRE_MODELS];
  gmi_error error;
  const char* fault = NULL;
  if (message->error != NULL) {
    if (gmi_error_read(message->error, &error)) {
      free(error.detail);
    } else {
      fault = "an error without a code";
    }
  } else {
    fault = read_rows(acquire, message->result, rows);
  }
  if (fault != NULL) {
    gmi_client_broke(client, "the answer to lease.acquire", fault);
    gmi_message_free(message);
    refuse(client, acquire);
  } else if (message->error != NULL) {
    acquire->refused = message;
    refuse(client, acquire);
  } else {
    for (size_t i = 0; i < acquire->count; ++i) {
      gmi_lease_granted(acquire->leases[i], rows[i].lease, rows[i].epoch, rows[i].context_tokens);
    }
    gmi_message_free(message);
    settle(client, acquire);
  }
  return GM_OK;
}

static gm_status notified(gm_client* client, gmi_pending* pending, gmi_message* message) {
  static const char* const kPhases[] = {"queued", "loading", NULL};
  gmi_acquire* acquire = acquire_of(pending);
  gmi_reader params = gmi_read_map(message->params, "params");
  uint32_t phase = gmi_read_word(&params, "phase", kPhases);
  uint32_t position = (uint32_t)gmi_read_u64(&params, "position", UINT32_MAX, /*needed=*/false);
  float fraction = gmi_read_float(&params, "fraction");
  uint64_t eta_ms = gmi_read_u64(&params, "eta_ms", UINT64_MAX, /*needed=*/false);
  gmi_message_free(message);
  if (params.fault != NULL || !(fraction >= 0 && fraction <= 1)) {
    gmi_client_broke(client, "lease.progress", params.fault != NULL ? params.fault : "fraction");
    return GM_OK;
  }
  acquire->phase = phase == 0 ? GM_EVENT_QUEUED : GM_EVENT_LOADING;
  acquire->position = position;
  acquire->fraction = fraction;
  acquire->eta_ms = eta_ms < UINT32_MAX ? (uint32_t)eta_ms : UINT32_MAX;
  if (acquire->has_progress || client->on_event == NULL) return GM_OK;
  acquire->has_progress = true;
  acquire->next_progress = client->progress;
  client->progress = acquire;
  ++acquire->references;
  return GM_OK;
}

static bool pay(gm_client* client, gmi_pending* pending) {
  return gmi_client_send_cancel(client, pending->id);
}

const gmi_pending_ops gmi_acquire_ops = {answered, notified, lost, pay};
