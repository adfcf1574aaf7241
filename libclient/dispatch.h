/* From received bytes to the requests that they are for. */
#ifndef GPUMODEL_LIBCLIENT_DISPATCH_H
#define GPUMODEL_LIBCLIENT_DISPATCH_H

#include "client.h"

/* Lock held, by the thread that reads. Dispatches every complete message in link.in. GM_E_NOMEM
 * leaves the rest there as backlog. What breaks the protocol ends the connection and counts as
 * GM_OK. */
gm_status gmi_dispatch(gm_client* client);

#endif
