/* What on_event is told. News is kept where it belongs (an acquire's progress, a lease's fate, the
 * connection's end), the latest only, so that telling it needs no memory; the daemon's events are
 * kept one by one (news.h). */
#ifndef GPUMODEL_LIBCLIENT_EVENT_H
#define GPUMODEL_LIBCLIENT_EVENT_H

#include <stdbool.h>

#include "client.h"

bool gmi_events_waiting(const gm_client* client); /* lock held */

/* Lock held, and given up around each callback. One thread at a time delivers; for another, and
 * inside a callback, this does nothing. */
void gmi_deliver_events(gm_client* client);

#endif
