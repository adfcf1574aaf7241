/* The open requests of a connection, by number. A request is part of a larger object (a call, an
 * acquire, a stream, a lease being released) that knows what to do with what comes for it. */
#ifndef GPUMODEL_LIBCLIENT_PENDING_H
#define GPUMODEL_LIBCLIENT_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "gpumodel.h"
#include "message.h"

typedef struct gmi_pending gmi_pending;

/* All are called with the client's lock held. */
typedef struct gmi_pending_ops {
  /* The response; the request is closed already. Takes `message` and gives GM_OK, or gives
   * GM_E_NOMEM having changed nothing (the request is opened again, the same message comes again
   * later). What breaks the protocol fails the client and counts as GM_OK. */
  gm_status (*answered)(gm_client* client, gmi_pending* pending, gmi_message* message);
  /* A notification for it, under the same contract. */
  gm_status (*notified)(gm_client* client, gmi_pending* pending, gmi_message* message);
  /* The connection ended before the response; the request is closed already. */
  void (*lost)(gm_client* client, gmi_pending* pending);
  /* Sends what the request still owes the daemon. false: not now. */
  bool (*pay)(gm_client* client, gmi_pending* pending);
} gmi_pending_ops;

struct gmi_pending {
  gmi_pending* next;
  const gmi_pending_ops* ops;
  uint32_t id;
  bool generation; /* one that runs on the lease of this id and epoch */
  uint64_t lease;
  uint64_t epoch;
  bool open; /* in the table                                                                 */
  bool owes; /* something small (a cancel, a release) could not be sent for want of memory   */
};

enum { GMI_PENDING_BUCKETS = 64 };

typedef struct gmi_pending_table {
  gmi_pending* buckets[GMI_PENDING_BUCKETS];
} gmi_pending_table;

void gmi_pending_add(gmi_pending_table* table, gmi_pending* pending);
void gmi_pending_remove(gmi_pending_table* table, gmi_pending* pending);
gmi_pending* gmi_pending_find(const gmi_pending_table* table, uint32_t id); /* NULL: none */
gmi_pending* gmi_pending_any(const gmi_pending_table* table);               /* NULL: none */
/* Whether a generation on this lease is open. */
bool gmi_pending_any_of(const gmi_pending_table* table, uint64_t lease, uint64_t epoch);

#endif
