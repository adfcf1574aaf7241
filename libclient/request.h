/* gm_request: defaults, checks, and its form on the wire. */
#ifndef GPUMODEL_LIBCLIENT_REQUEST_H
#define GPUMODEL_LIBCLIENT_REQUEST_H

#include "client.h"
#include "encode.h"

/* `given` (NULL: all defaults) into a struct of this release. GM_E_INVALID, GM_E_UNSUPPORTED. */
gm_status gmi_request_read(const gm_request* given, gm_request* out);

/* GM_E_INVALID: a value out of range, or not exactly one kind of input. GM_E_UNSUPPORTED: the
 * daemon lacks the feature that a field needs. */
gm_status gmi_request_check(const gm_client* client, const gm_request* request);

/* The fields of generate but lease and epoch. */
void gmi_request_encode(gmi_encoder* encoder, const gm_request* request, bool stream);

#endif
