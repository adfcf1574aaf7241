/* One message from the daemon, unpacked, with the bytes that it points into. */
#ifndef GPUMODEL_LIBCLIENT_MESSAGE_H
#define GPUMODEL_LIBCLIENT_MESSAGE_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "value.h"

typedef enum gmi_message_type { GMI_RESPONSE = 1, GMI_NOTIFICATION = 2 } gmi_message_type;

typedef struct gmi_message {
  gmi_message_type type;
  uint32_t id;                  /* response                               */
  const msgpack_object* error;  /* response: a map, NULL on success       */
  const msgpack_object* result; /* response                               */
  const msgpack_object* method; /* notification: a string                 */
  const msgpack_object* params; /* notification: a map                    */
  size_t cost_bytes;            /* of memory that it holds, about         */
  msgpack_zone zone;            /* of the objects; others may live in it  */
  msgpack_object root;
  char bytes[];
} gmi_message;

/* Copies and unpacks `size` bytes that gmi_scan_run called DONE, with `values` as it counted them.
 * GM_E_NOMEM, or GM_E_PROTOCOL with `fault` saying why it is no response or notification. Sets no
 * thread error. */
gm_status gmi_message_unpack(const char* data, size_t size, size_t values, gmi_message** out,
                             const char** fault);
void gmi_message_free(gmi_message* message); /* NULL is allowed */

/* Reads an error map as it stands on the wire. false: it is not one. The detail is left out where
 * memory is short. */
bool gmi_error_read(const msgpack_object* map, gmi_error* out);

#endif
