/* What the daemon says of its own accord, and not for a request: what became of a lease, that it
 * drains, and, to a subscriber, its events. */
#ifndef GPUMODEL_LIBCLIENT_NEWS_H
#define GPUMODEL_LIBCLIENT_NEWS_H

#include "client.h"

/* Of events that on_event has not been told yet; what comes beyond is dropped, which shows as a gap
 * in their `seq`. The daemon keeps as much for a connection that does not read. */
#define GMI_NEWS_BYTES ((size_t)1 << 20)

/* One event of the daemon. */
struct gmi_daemon_event {
  gmi_daemon_event* next;
  size_t cost_bytes;
  char* json; /* terminated */
};

/* Lock held, for all of these. */

/* Handles a notification that is for no request, under the contract of gmi_pending_ops.notified.
 * A method of a later version, and news of a lease that is not held any more, are dropped. */
gm_status gmi_news_notified(gm_client* client, gmi_message* message);

/* The oldest event, for gmi_daemon_event_free; NULL: none. */
gmi_daemon_event* gmi_news_take_event(gm_client* client);
void gmi_daemon_event_free(gmi_daemon_event* event);

#endif
