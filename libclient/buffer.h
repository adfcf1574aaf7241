/* A growing run of bytes whose every growth may fail. */
#ifndef GPUMODEL_LIBCLIENT_BUFFER_H
#define GPUMODEL_LIBCLIENT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gmi_buffer {
  char* data;
  size_t size;
  size_t capacity;
  bool borrowed; /* data is the storage given to init and is never freed */
} gmi_buffer;

/* Starts empty on `storage`, which outlives the buffer; capacity 0 starts without any. */
void gmi_buffer_init(gmi_buffer* buffer, char* storage, size_t capacity);
void gmi_buffer_free(gmi_buffer* buffer);

/* Room for `more` bytes beyond size. false: out of memory, nothing changed. */
bool gmi_buffer_reserve(gmi_buffer* buffer, size_t more);
bool gmi_buffer_append(gmi_buffer* buffer, const void* data, size_t size);

/* Drops the first `count` bytes; the others move to the front. */
void gmi_buffer_drop(gmi_buffer* buffer, size_t count);

#endif
