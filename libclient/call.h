/* A request of which only the response counts, and which one call waits for. */
#ifndef GPUMODEL_LIBCLIENT_CALL_H
#define GPUMODEL_LIBCLIENT_CALL_H

#include "client.h"
#include "clock.h"

typedef struct gmi_call gmi_call;

/* Lock held, for all of these. */

/* Checks that the connection lives and begins the message, to which the caller adds params. The
 * call is made in any case but failure, and ends with gmi_call_run or gmi_call_drop. */
gm_status gmi_call_begin(gm_client* client, const char* method, gmi_call** out,
                         gmi_encoder* encoder);
/* Says that it is a generation on this lease. */
void gmi_call_generates(gmi_call* call, uint64_t lease, uint64_t epoch);
void gmi_call_drop(gmi_call* call, gmi_encoder* encoder);

/* Sends, waits, and frees the call. GM_OK gives a response without an error, to be freed. An error
 * response becomes the thread's error. GM_E_TIMEOUT, GM_E_INTERRUPTED and GM_E_NOMEM while waiting:
 * the answer is ignored when it comes, and with `cancels` the daemon is told to stop. */
gm_status gmi_call_run(gm_client* client, gmi_call* call, gmi_encoder* encoder,
                       gmi_deadline deadline, bool cancels, gmi_message** out);

/* timeout_ms of a public call: GM_E_INVALID below GM_WAIT_FOREVER, and for 0 unless allowed. */
gm_status gmi_check_timeout(int32_t timeout_ms, bool zero_allowed);

#endif
