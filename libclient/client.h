/* The connection that all handles share.
 *
 * One mutex guards everything but what is constant after opening. No thread of the library's own
 * exists: the threads that wait take turns at reading the socket (wait.h). Every handle of the
 * program keeps its client alive, so that handles may be freed in any order. */
#ifndef GPUMODEL_LIBCLIENT_CLIENT_H
#define GPUMODEL_LIBCLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encode.h"
#include "error.h"
#include "fork.h"
#include "gpumodel.h"
#include "link.h"
#include "pending.h"

typedef struct gmi_waiter gmi_waiter;
typedef struct gmi_acquire gmi_acquire;
typedef struct gmi_daemon_event gmi_daemon_event;

struct gm_client {
  /* Constant after gm_client_open. */
  gmi_fork_guard guard;
  gm_event_fn on_event;
  void* user;
  uint32_t flags;
  uint32_t features;    /* GMI_FEATURE_* that the daemon listed */
  size_t message_bytes; /* the largest message it takes          */

  atomic_bool interrupted; /* gm_client_interrupt was called and no call has answered to it yet */

  pthread_mutex_t lock; /* guards the rest */
  unsigned references;  /* handles that the program holds: this one, leases, streams */
  bool closed;          /* it gave this one back                                     */
  gmi_error ended;      /* status GM_OK while the connection lives */
  uint32_t last_id;
  gmi_pending_table pending;
  bool owes; /* some pending request does */
  gmi_link link;

  gmi_waiter* waiters;
  bool reading;      /* a thread is reading the socket                            */
  bool backlog;      /* complete messages lie in link.in, for want of memory      */
  uint64_t happened; /* times that messages or events were handled                */
  uint64_t told;     /* of them, those that gm_client_dispatch answered for       */

  bool delivering; /* a thread is inside on_event             */
  bool disconnect_event;
  bool draining_event;
  gmi_acquire* progress;         /* acquires with news for on_event    */
  gm_lease* leases;              /* granted, until they are freed      */
  unsigned leases_with_news;     /* for on_event, of these             */
  gmi_daemon_event* first_event; /* for on_event, oldest first      */
  gmi_daemon_event* last_event;
  size_t events_bytes;
};

/* What every call on a handle begins with: GM_E_INVALID for NULL, GM_E_FORKED in a child. */
gm_status gmi_enter(gm_client* client, const char* argument);
bool gmi_in_child(const gm_client* client);

void gmi_lock(gm_client* client);
void gmi_unlock(gm_client* client);
/* Delivers events, then unlocks: the end of a call that may have caused some. */
void gmi_leave(gm_client* client);

/* For the frees: locks, in a child too, where the connection counts as ended from then on and
 * nothing is sent. false: in the child of a fork that happened while another thread was in the
 * middle of a change; then only memory that nobody can use is left. */
bool gmi_lock_for_free(gm_client* client);

/* Lock held, for the following. */

/* One handle of the program less. Objects without a handle live only as open requests, and there
 * are none once the client's own handle is gone, so that the last handle frees the client. */
void gmi_client_unref_unlock(gm_client* client);
/* Closes the descriptors of a closed client as soon as no thread waits on them. */
void gmi_client_close_link(gm_client* client);

/* The error of an ended connection, GM_OK while it lives. */
gm_status gmi_client_check(const gm_client* client);

/* Ends the connection for good; every open request is lost. Only the first call counts. Returns the
 * connection's error, having set the thread's. */
gm_status gmi_client_end(gm_client* client, gmi_error* error); /* takes error->detail */
gm_status gmi_client_fail(gm_client* client, gm_status status, int sys_errno, const char* format,
                          ...) __attribute__((format(printf, 4, 5)));
/* GM_E_PROTOCOL: `what` the daemon sent ("an answer to generate", "finish"). */
gm_status gmi_client_broke(gm_client* client, const char* what, const char* fault);

/* A number that no open request has; never 0. */
uint32_t gmi_client_next_id(gm_client* client);

/* Opens `pending`, whose id and ops are set, and sends its request. On failure it is not open. */
gm_status gmi_client_send(gm_client* client, gmi_pending* pending, const gmi_encoder* encoder);

/* Marks `pending` as owing and tries to pay at once. */
void gmi_client_owe(gm_client* client, gmi_pending* pending);
void gmi_client_pay(gm_client* client);
/* Sends cancel {request: id}: the pay of whatever can be cancelled. */
bool gmi_client_send_cancel(gm_client* client, uint32_t id);

#endif
