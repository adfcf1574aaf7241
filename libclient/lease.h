/* The lease handle. */
#ifndef GPUMODEL_LIBCLIENT_LEASE_H
#define GPUMODEL_LIBCLIENT_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"

typedef enum gmi_lease_state {
  GMI_LEASE_PENDING,
  GMI_LEASE_HELD,
  GMI_LEASE_RELEASING, /* lease.release is on its way */
  GMI_LEASE_RELEASED,  /* answered                    */
  GMI_LEASE_LOST,      /* the daemon took it away     */
  GMI_LEASE_FAILED     /* the acquire was refused, or the connection ended */
} gmi_lease_state;

struct gm_lease {
  gm_client* client;
  /* Guarded by the client's lock. */
  unsigned references; /* the program's handle, the acquire's, the table's */
  bool has_handle;     /* the program holds it */
  gmi_lease_state state;
  gmi_acquire* acquire; /* while PENDING, and when it was refused */
  uint64_t id;
  uint64_t epoch;
  uint32_t context_tokens;
  gm_lease* next; /* in the client's list, since it was granted */
  gm_lease* previous;
  bool suspended; /* the daemon said so; until it says otherwise */
  uint32_t news;  /* GM_EVENT_* that on_event is to be told; 0: none */
  gmi_pending release;
  gmi_message* answer; /* to the release, or lease.lost */
  char model[];
};

/* Lock held, for all of these. */

/* PENDING, with a handle for the program and one reference for it. NULL: out of memory. */
gm_lease* gmi_lease_new(gm_client* client, const char* model);
void gmi_lease_ref(gm_lease* lease);
void gmi_lease_unref(gm_lease* lease);
/* Takes the program's handle away: what is held is released without waiting, what is pending is
 * given up. The client's own reference is the caller's to give back. */
void gmi_lease_drop_handle(gm_lease* lease);

/* GM_OK where the lease can be used; otherwise why not. */
gm_status gmi_lease_check(const gm_lease* lease);

/* The answer to the acquire: held, and released at once where nobody wants it any more. */
void gmi_lease_granted(gm_lease* lease, uint64_t id, uint64_t epoch, uint32_t context_tokens);
void gmi_lease_refused(gm_lease* lease);

/* The held lease of that id; NULL: none. */
gm_lease* gmi_lease_find(const gm_client* client, uint64_t id);
/* A held lease is gone; takes the message that said so. */
void gmi_lease_lost(gm_lease* lease, gmi_message* message);
/* Takes the news of one of the client's leases, where leases_with_news says that one has some. */
void gmi_lease_take_news(gm_client* client, gm_event* event);

#endif
