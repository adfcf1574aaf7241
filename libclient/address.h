/* Where the daemon listens, and how to get there. */
#ifndef GPUMODEL_LIBCLIENT_ADDRESS_H
#define GPUMODEL_LIBCLIENT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "gpumodel.h"

/* `option`, else $GPUMODEL_SOCKET unless the program runs with more rights than its caller, else
 * the default. Borrowed. */
const char* gmi_address_path(const char* option);

/* A connected, non-blocking, close-on-exec socket. GM_E_INVALID (no such path can be),
 * GM_E_NO_DAEMON, GM_E_DENIED, GM_E_TIMEOUT, GM_E_INTERRUPTED, GM_E_SYSTEM. */
gm_status gmi_address_connect(const char* path, int32_t timeout_ms, bool return_on_signal,
                              int* out);

#endif
