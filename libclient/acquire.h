/* One lease.acquire: the request, and the leases that it is for. */
#ifndef GPUMODEL_LIBCLIENT_ACQUIRE_H
#define GPUMODEL_LIBCLIENT_ACQUIRE_H

#include "client.h"
#include "lease.h"

enum { GMI_ACQUIRE_MODELS = 16 }; /* at most, in one request */

/* What comes for a lease.acquire: the grant makes its leases HELD, anything else FAILED. */
extern const gmi_pending_ops gmi_acquire_ops;

struct gmi_acquire {
  gmi_pending pending;
  unsigned references; /* the table's, each pending lease's, the event's */
  bool answered;
  gmi_message* refused; /* the response, where it is an error */

  /* For on_event. */
  gmi_acquire* next_progress;
  bool has_progress;
  bool handles_shown; /* the program knows the lease handles: gm_lease_begin */
  uint32_t phase;     /* GM_EVENT_* */
  uint32_t position;
  float fraction;
  uint32_t eta_ms;

  size_t count;
  gm_lease* leases[]; /* in the order asked for; none is NULL until answered */
};

/* Lock held, for all of these. */

/* Takes the first acquire with news off the client's list and describes it; the caller gives the
 * reference back. */
gmi_acquire* gmi_acquire_take_progress(gm_client* client, gm_event* event);
void gmi_acquire_unref(gmi_acquire* acquire);

/* The program has given up one of its pending leases; the last one cancels the request. */
void gmi_acquire_lease_dropped(gm_client* client, gmi_acquire* acquire);

#endif
