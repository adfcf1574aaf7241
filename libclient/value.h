/* Typed reading of maps that nobody checked yet. A reader notes the first thing that is wrong; what
 * it returned after that is a default, and the caller looks at `fault` once, at the end. */
#ifndef GPUMODEL_LIBCLIENT_VALUE_H
#define GPUMODEL_LIBCLIENT_VALUE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gmi_reader {
  const msgpack_object_map* map;
  const char* fault; /* the key that is missing, of the wrong type or out of range; NULL: none */
} gmi_reader;

typedef struct gmi_text {
  const char* data; /* not terminated; "" where absent */
  size_t size;
} gmi_text;

/* `what` names the value in `fault` if it is no map. */
gmi_reader gmi_read_map(const msgpack_object* value, const char* what);

/* NULL where the key is absent or nil. Of a key given twice the first counts. */
const msgpack_object* gmi_find(const gmi_reader* reader, const char* key);

/* `needed`: absent is a fault; otherwise absent gives 0, "" or NULL. */
uint64_t gmi_read_u64(gmi_reader* reader, const char* key, uint64_t max, bool needed);
int64_t gmi_read_i64(gmi_reader* reader, const char* key, bool needed);
float gmi_read_float(gmi_reader* reader, const char* key);
bool gmi_read_bool(gmi_reader* reader, const char* key);
gmi_text gmi_read_text(gmi_reader* reader, const char* key, bool needed);
const msgpack_object_array* gmi_read_array(gmi_reader* reader, const char* key, bool needed);
/* A reader over the map at `key`; an absent one has no keys. */
gmi_reader gmi_read_inner(gmi_reader* reader, const char* key, bool needed);

/* The index of the text at `key` in `words`, which NULL ends; one that is not there is a fault. */
uint32_t gmi_read_word(gmi_reader* reader, const char* key, const char* const* words);

bool gmi_text_equals(const msgpack_object* value, const char* text);
/* false: not an integer of 0 to max. */
bool gmi_as_u64(const msgpack_object* value, uint64_t max, uint64_t* out);
bool gmi_as_i64(const msgpack_object* value, int64_t* out);

/* The integers or floats of `array` into `out`, which has room for them. false: another type, or a
 * token id below 0 or beyond 2^31-1. */
bool gmi_as_tokens(const msgpack_object_array* array, int32_t* out);
bool gmi_as_floats(const msgpack_object_array* array, float* out);

#endif
