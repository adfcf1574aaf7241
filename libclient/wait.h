/* Waiting without threads of our own. Of all threads that wait on a client one reads the socket and
 * dispatches what comes; the others sleep until something came for them, or until it is their turn
 * to read. Each sleeps on its own futex, which, unlike a condition variable, a signal ends. */
#ifndef GPUMODEL_LIBCLIENT_WAIT_H
#define GPUMODEL_LIBCLIENT_WAIT_H

#include <stdbool.h>

#include "client.h"
#include "clock.h"

/* Lock held, and given up while waiting. Waits until ready(subject), which the lock guards and
 * which holds once the connection has ended, and delivers events meanwhile. GM_OK; GM_AGAIN when
 * the deadline has passed (with a deadline of now what has arrived is read, once, without
 * blocking); GM_E_INTERRUPTED (not with a deadline of now) and GM_E_NOMEM leave what was waited for
 * as it is. */
gm_status gmi_wait(gm_client* client, bool (*ready)(const void* subject), const void* subject,
                   gmi_deadline deadline);

/* The same until any message was dispatched, by whichever thread, or an event delivered. */
gm_status gmi_wait_any(gm_client* client, gmi_deadline deadline);

/* Lock held. Wakes those who wait for `subject`. */
void gmi_wake(gm_client* client, const void* subject);
/* Something did: messages were dispatched, an event was delivered. */
void gmi_happened(gm_client* client);
void gmi_wake_all(gm_client* client);
/* If nobody reads, one of the waiting threads shall. */
void gmi_hand_over(gm_client* client);

/* Takes a pending gm_client_interrupt for every call that is waiting now. false: there is none. */
bool gmi_take_interrupt(gm_client* client);
gm_status gmi_fail_interrupted(void);

#endif
