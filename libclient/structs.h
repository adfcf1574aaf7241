/* Public structs begin with struct_size and grow at the end. */
#ifndef GPUMODEL_LIBCLIENT_STRUCTS_H
#define GPUMODEL_LIBCLIENT_STRUCTS_H

#include <stddef.h>

#include "gpumodel.h"

typedef struct gmi_layout {
  const char* name;
  size_t first; /* the struct's size in the release that introduced it: no caller's is smaller */
  size_t known; /* its size in this release                                                    */
} gmi_layout;

/* Copies a caller's struct into `out`, which holds the defaults for what an older caller lacks.
 * GM_E_INVALID: struct_size was not set. GM_E_UNSUPPORTED: a field of a newer release is set. */
gm_status gmi_struct_read(const gmi_layout* layout, const void* given, void* out);

/* GM_E_INVALID unless `out` is a struct that gmi_struct_write may fill. */
gm_status gmi_struct_check(const gmi_layout* layout, const void* out);

/* Copies `filled` (of layout->known bytes) to the caller; fields of newer releases become zero. */
void gmi_struct_write(const gmi_layout* layout, const void* filled, void* out);

#endif
