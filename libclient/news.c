#include "news.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "lease.h"

static gm_status broke(gm_client* client, gmi_message* message, const char* method,
                       const char* fault) {
  gmi_client_broke(client, method, fault);
  gmi_message_free(message);
  return GM_OK;
}

/* The last word on a lease, as far as on_event is concerned. */
static void tell(gm_lease* lease, uint32_t type) {
  gm_client* client = lease->client;
  if (client->on_event == NULL) return;
  if (lease->news == 0) ++client->leases_with_news;
  lease->news = type;
}

static gm_status suspended(gm_client* client, gm_lease* lease, gmi_message* message) {
  (void)client;
  lease->suspended = true;
  tell(lease, GM_EVENT_SUSPENDED);
  gmi_message_free(message);
  return GM_OK;
}

static gm_status resumed(gm_client* client, gm_lease* lease, gmi_message* message) {
  (void)client;
  lease->suspended = false;
  tell(lease, GM_EVENT_RESUMED);
  gmi_message_free(message);
  return GM_OK;
}

static gm_status lost(gm_client* client, gm_lease* lease, gmi_message* message) {
  gmi_reader params = gmi_read_map(message->params, "params");
  gmi_read_text(&params, "reason", /*needed=*/false);
  if (params.fault != NULL) return broke(client, message, "lease.lost", params.fault);
  gmi_lease_lost(lease, message);
  tell(lease, GM_EVENT_LEASE_LOST);
  return GM_OK;
}

static gm_status draining(gm_client* client, gmi_message* message) {
  client->draining_event = true; /* also while the client is being opened */
  gmi_message_free(message);
  return GM_OK;
}

static gm_status append_event(gm_client* client, const gmi_message* message) {
  char* json = gmi_json_text(message->params);
  gmi_daemon_event* event = json != NULL ? malloc(sizeof *event) : NULL;
  if (event == NULL) {
    free(json);
    return GM_E_NOMEM;
  }
  *event = (gmi_daemon_event){NULL, sizeof *event + strlen(json) + 1, json};
  if (client->events_bytes + event->cost_bytes > GMI_NEWS_BYTES) {
    gmi_daemon_event_free(event);
    return GM_OK;
  }
  client->events_bytes += event->cost_bytes;
  if (client->last_event != NULL) {
    client->last_event->next = event;
  } else {
    client->first_event = event;
  }
  client->last_event = event;
  return GM_OK;
}

static gm_status daemon_event(gm_client* client, gmi_message* message) {
  gmi_reader params = gmi_read_map(message->params, "params");
  gmi_read_u64(&params, "seq", UINT64_MAX, /*needed=*/true);
  gmi_read_text(&params, "type", /*needed=*/true);
  if (params.fault != NULL) return broke(client, message, "event", params.fault);
  gm_status status = client->on_event != NULL ? append_event(client, message) : GM_OK;
  if (status == GM_OK) gmi_message_free(message);
  return status;
}

static gm_status about_lease(gm_client* client, gmi_message* message, const char* method,
                             gm_status (*handle)(gm_client*, gm_lease*, gmi_message*)) {
  gmi_reader params = gmi_read_map(message->params, "params");
  uint64_t id = gmi_read_u64(&params, "lease", UINT64_MAX, /*needed=*/true);
  if (params.fault != NULL) return broke(client, message, method, params.fault);
  gm_lease* lease = gmi_lease_find(client, id);
  if (lease != NULL) return handle(client, lease, message);
  gmi_message_free(message);
  return GM_OK;
}

gm_status gmi_news_notified(gm_client* client, gmi_message* message) {
  static const struct {
    const char* method;
    gm_status (*handle)(gm_client*, gm_lease*, gmi_message*);
  } kAboutLeases[] = {
      {"lease.suspended", suspended}, {"lease.resumed", resumed}, {"lease.lost", lost}};
  for (size_t i = 0; i < sizeof kAboutLeases / sizeof kAboutLeases[0]; ++i) {
    if (!gmi_text_equals(message->method, kAboutLeases[i].method)) continue;
    return about_lease(client, message, kAboutLeases[i].method, kAboutLeases[i].handle);
  }
  if (gmi_text_equals(message->method, "event")) return daemon_event(client, message);
  if (gmi_text_equals(message->method, "draining")) return draining(client, message);
  gmi_message_free(message);
  return GM_OK;
}

gmi_daemon_event* gmi_news_take_event(gm_client* client) {
  gmi_daemon_event* event = client->first_event;
  if (event == NULL) return NULL;
  client->first_event = event->next;
  if (client->first_event == NULL) client->last_event = NULL;
  client->events_bytes -= event->cost_bytes;
  return event;
}

void gmi_daemon_event_free(gmi_daemon_event* event) {
  free(event->json);
  free(event);
}
