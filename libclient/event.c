#include "event.h"

#include "acquire.h"
#include "lease.h"
#include "news.h"
#include "wait.h"

bool gmi_events_waiting(const gm_client* client) {
  return client->on_event != NULL && !client->closed &&
         (client->disconnect_event || client->draining_event || client->progress != NULL ||
          client->leases_with_news > 0 || client->first_event != NULL);
}

static void tell(gm_client* client, const gm_event* event) {
  gmi_hand_over(client);
  gmi_unlock(client);
  client->on_event(client, event, client->user);
  gmi_lock(client);
}

/* One piece of news; what the daemon said last comes before the connection's end. */
static void tell_next(gm_client* client) {
  gm_event event = {.struct_size = sizeof event};
  gmi_daemon_event* from_daemon;
  if (client->progress != NULL) {
    gmi_acquire* acquire = gmi_acquire_take_progress(client, &event);
    tell(client, &event);
    gmi_acquire_unref(acquire);
  } else if (client->leases_with_news > 0) {
    gmi_lease_take_news(client, &event);
    tell(client, &event);
  } else if ((from_daemon = gmi_news_take_event(client)) != NULL) {
    event.type = GM_EVENT_DAEMON;
    event.json = from_daemon->json;
    tell(client, &event);
    gmi_daemon_event_free(from_daemon);
  } else if (client->draining_event) {
    client->draining_event = false;
    event.type = GM_EVENT_DRAINING;
    tell(client, &event);
  } else {
    client->disconnect_event = false;
    event.type = GM_EVENT_DISCONNECTED;
    tell(client, &event);
  }
}

void gmi_deliver_events(gm_client* client) {
  if (client->delivering || !gmi_events_waiting(client)) return;
  client->delivering = true;
  while (gmi_events_waiting(client)) tell_next(client);
  client->delivering = false;
  gmi_happened(client);
}
