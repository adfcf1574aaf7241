#include "value.h"

#include <string.h>

static const msgpack_object_map kNoPairs = {0, NULL};

static void fault(gmi_reader* reader, const char* key) {
  if (reader->fault == NULL) reader->fault = key;
}

gmi_reader gmi_read_map(const msgpack_object* value, const char* what) {
  if (value != NULL && value->type == MSGPACK_OBJECT_MAP)
    return (gmi_reader){&value->via.map, NULL};
  return (gmi_reader){&kNoPairs, what};
}

bool gmi_text_equals(const msgpack_object* value, const char* text) {
  size_t length = strlen(text);
  return value->type == MSGPACK_OBJECT_STR && value->via.str.size == length &&
         memcmp(value->via.str.ptr, text, length) == 0;
}

const msgpack_object* gmi_find(const gmi_reader* reader, const char* key) {
  for (uint32_t i = 0; i < reader->map->size; ++i) {
    const msgpack_object_kv* pair = &reader->map->ptr[i];
    if (!gmi_text_equals(&pair->key, key)) continue;
    return pair->val.type == MSGPACK_OBJECT_NIL ? NULL : &pair->val;
  }
  return NULL;
}

bool gmi_as_u64(const msgpack_object* value, uint64_t max, uint64_t* out) {
  if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > max) return false;
  *out = value->via.u64;
  return true;
}

bool gmi_as_i64(const msgpack_object* value, int64_t* out) {
  if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
    *out = value->via.i64;
    return true;
  }
  uint64_t magnitude;
  if (!gmi_as_u64(value, INT64_MAX, &magnitude)) return false;
  *out = (int64_t)magnitude;
  return true;
}

static bool as_float(const msgpack_object* value, float* out) {
  switch (value->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
      *out = (float)value->via.f64;
      return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
      *out = (float)value->via.u64;
      return true;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
      *out = (float)value->via.i64;
      return true;
    default:
      return false;
  }
}

bool gmi_as_tokens(const msgpack_object_array* array, int32_t* out) {
  for (uint32_t i = 0; i < array->size; ++i) {
    uint64_t token;
    if (!gmi_as_u64(&array->ptr[i], INT32_MAX, &token)) return false;
    out[i] = (int32_t)token;
  }
  return true;
}

bool gmi_as_floats(const msgpack_object_array* array, float* out) {
  for (uint32_t i = 0; i < array->size; ++i) {
    if (!as_float(&array->ptr[i], &out[i])) return false;
  }
  return true;
}

static const msgpack_object* find(gmi_reader* reader, const char* key, bool needed) {
  const msgpack_object* value = gmi_find(reader, key);
  if (value == NULL && needed) fault(reader, key);
  return value;
}

uint64_t gmi_read_u64(gmi_reader* reader, const char* key, uint64_t max, bool needed) {
  const msgpack_object* value = find(reader, key, needed);
  uint64_t number = 0;
  if (value != NULL && !gmi_as_u64(value, max, &number)) fault(reader, key);
  return number;
}

int64_t gmi_read_i64(gmi_reader* reader, const char* key, bool needed) {
  const msgpack_object* value = find(reader, key, needed);
  int64_t number = 0;
  if (value != NULL && !gmi_as_i64(value, &number)) fault(reader, key);
  return number;
}

float gmi_read_float(gmi_reader* reader, const char* key) {
  const msgpack_object* value = gmi_find(reader, key);
  float number = 0;
  if (value != NULL && !as_float(value, &number)) fault(reader, key);
  return number;
}

bool gmi_read_bool(gmi_reader* reader, const char* key) {
  const msgpack_object* value = gmi_find(reader, key);
  if (value == NULL) return false;
  if (value->type != MSGPACK_OBJECT_BOOLEAN) fault(reader, key);
  return value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
}

gmi_text gmi_read_text(gmi_reader* reader, const char* key, bool needed) {
  const msgpack_object* value = find(reader, key, needed);
  if (value != NULL && value->type == MSGPACK_OBJECT_STR) {
    if (value->via.str.size == 0) return (gmi_text){"", 0}; /* its address may be none */
    return (gmi_text){value->via.str.ptr, value->via.str.size};
  }
  if (value != NULL) fault(reader, key);
  return (gmi_text){"", 0};
}

const msgpack_object_array* gmi_read_array(gmi_reader* reader, const char* key, bool needed) {
  const msgpack_object* value = find(reader, key, needed);
  if (value == NULL) return NULL;
  if (value->type == MSGPACK_OBJECT_ARRAY) return &value->via.array;
  fault(reader, key);
  return NULL;
}

gmi_reader gmi_read_inner(gmi_reader* reader, const char* key, bool needed) {
  const msgpack_object* value = find(reader, key, needed);
  if (value == NULL) return (gmi_reader){&kNoPairs, NULL};
  gmi_reader inner = gmi_read_map(value, key);
  if (inner.fault != NULL) fault(reader, key);
  return inner;
}

uint32_t gmi_read_word(gmi_reader* reader, const char* key, const char* const* words) {
  const msgpack_object* value = find(reader, key, /*needed=*/true);
  for (uint32_t i = 0; value != NULL && words[i] != NULL; ++i) {
    if (gmi_text_equals(value, words[i])) return i;
  }
  fault(reader, key);
  return 0;
}
