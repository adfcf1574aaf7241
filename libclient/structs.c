#include "structs.h"

#include <string.h>

#include "error.h"

/* Larger ones are not structs of this library but memory that nobody set. */
enum { kLargestStruct = 1 << 16 };

static size_t size_of(const void* given) {
  size_t size;
  memcpy(&size, given, sizeof size);
  return size;
}

gm_status gmi_struct_check(const gmi_layout* layout, const void* out) {
  size_t size = size_of(out);
  if (size >= layout->first && size <= kLargestStruct) return GM_OK;
  return gmi_fail(GM_E_INVALID, "%s.struct_size is %zu; start from its INIT", layout->name, size);
}

gm_status gmi_struct_read(const gmi_layout* layout, const void* given, void* out) {
  gm_status status = gmi_struct_check(layout, given);
  if (status != GM_OK) return status;
  size_t size = size_of(given);
  const char* bytes = given;
  for (size_t i = layout->known; i < size; ++i) {
    if (bytes[i] == 0) continue;
    return gmi_fail(
        GM_E_UNSUPPORTED,
        "a field of %s at byte %zu is set that libgpumodel %d.%d does not know; leave it "
        "zero or install a newer library",
        layout->name, i, GM_VERSION_MAJOR, GM_VERSION_MINOR);
  }
  memcpy(out, given, size < layout->known ? size : layout->known);
  return GM_OK;
}

void gmi_struct_write(const gmi_layout* layout, const void* filled, void* out) {
  size_t size = size_of(out);
  size_t copied = size < layout->known ? size : layout->known;
  memcpy((char*)out + sizeof size, (const char*)filled + sizeof size, copied - sizeof size);
  if (size > copied) memset((char*)out + copied, 0, size - copied);
}
