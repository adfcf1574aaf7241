#include "event.h"

#include "acquire.h"
#include "wait.h"

bool gmi_events_waiting(const gm_client* client) {
  return client->on_event != NULL && !client->closed &&
         (client->disconnect_event || client->progress != NULL);
}

static void tell(gm_client* client, const gm_event* event) {
  gmi_hand_over(client);
  gmi_unlock(client);
  client->on_event(client, event, client->user);
  gmi_lock(client);
}

void gmi_deliver_events(gm_client* client) {
  if (client->delivering || !gmi_events_waiting(client)) return;
  client->delivering = true;
  while (gmi_events_waiting(client)) {
    gm_event event = {.struct_size = sizeof event};
    if (client->progress != NULL) {
      gmi_acquire* acquire = gmi_acquire_take_progress(client, &event);
      tell(client, &event);
      gmi_acquire_unref(acquire);
    } else {
      client->disconnect_event = false;
      event.type = GM_EVENT_DISCONNECTED;
      tell(client, &event);
    }
  }
  client->delivering = false;
  gmi_happened(client);
}
