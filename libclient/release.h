/* lease.release. */
#ifndef GPUMODEL_LIBCLIENT_RELEASE_H
#define GPUMODEL_LIBCLIENT_RELEASE_H

#include "lease.h"

/* Lock held, the lease HELD. Sends the release (now, or as soon as there is memory) without anybody
 * to wait for its answer. */
void gmi_release_unattended(gm_lease* lease);

#endif
