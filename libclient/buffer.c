#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { kFirstCapacity = 256 };

void gmi_buffer_init(gmi_buffer* buffer, char* storage, size_t capacity) {
  buffer->data = storage;
  buffer->size = 0;
  buffer->capacity = capacity;
  buffer->borrowed = storage != NULL;
}

void gmi_buffer_free(gmi_buffer* buffer) {
  if (!buffer->borrowed) free(buffer->data);
  gmi_buffer_init(buffer, NULL, 0);
}

bool gmi_buffer_reserve(gmi_buffer* buffer, size_t more) {
  if (more <= buffer->capacity - buffer->size) return true;
  if (more > SIZE_MAX / 2 - buffer->size) return false;
  size_t wanted = buffer->size + more;
  size_t capacity = buffer->capacity < kFirstCapacity ? (size_t)kFirstCapacity : buffer->capacity;
  while (capacity < wanted) capacity *= 2;
  char* data = buffer->borrowed ? malloc(capacity) : realloc(buffer->data, capacity);
  if (data == NULL) return false;
  if (buffer->borrowed && buffer->size > 0) memcpy(data, buffer->data, buffer->size);
  buffer->data = data;
  buffer->capacity = capacity;
  buffer->borrowed = false;
  return true;
}

bool gmi_buffer_append(gmi_buffer* buffer, const void* data, size_t size) {
  if (!gmi_buffer_reserve(buffer, size)) return false;
  if (size > 0) memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  return true;
}

void gmi_buffer_drop(gmi_buffer* buffer, size_t count) {
  buffer->size -= count;
  if (buffer->size > 0) memmove(buffer->data, buffer->data + count, buffer->size);
}
