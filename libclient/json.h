/* MessagePack values as JSON text. */
#ifndef GPUMODEL_LIBCLIENT_JSON_H
#define GPUMODEL_LIBCLIENT_JSON_H

#include <msgpack.h>
#include <stdbool.h>

#include "buffer.h"
#include "error.h"

/* Bytes that are not UTF-8 become U+FFFD; bin and ext become null, as do numbers that JSON lacks;
 * keys that are not strings are written as their own JSON text, arrays and maps among them as
 * "[...]" and "{...}". The value is nested at most as deep as a scanned message. false: out of
 * memory. */
bool gmi_json_append(gmi_buffer* out, const msgpack_object* value);

/* The value alone, terminated, malloc'd. NULL: out of memory. */
char* gmi_json_text(const msgpack_object* value);

/* An error as on the wire: code, name, message, detail, retryable, retry_after_ms. */
char* gmi_json_error(const gmi_error* error);

#endif
