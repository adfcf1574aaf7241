#include "scan.h"

#include <stdbool.h>
#include <string.h>

/* What one value's head says: its own length, payload bytes after it, values inside it. */
typedef struct head {
  size_t bytes;
  size_t payload;
  uint64_t children;
  bool container;
} head;

static uint32_t big_endian(const unsigned char* at, size_t width) {
  uint32_t value = 0;
  for (size_t i = 0; i < width; ++i) value = value << 8 | at[i];
  return value;
}

static void set_container(head* out, uint32_t elements, bool map) {
  out->container = true;
  out->children = map ? 2 * (uint64_t)elements : elements;
}

/* The formats 0xc0..0xdf that are not a string, bin, ext, array or map with a length field. */
static size_t fixed_payload(unsigned char type) {
  static const unsigned char kBytes[0x20] = {
      [0x0a] = 4,  [0x0b] = 8,                         /* float 32, 64   */
      [0x0c] = 1,  [0x0d] = 2, [0x0e] = 4, [0x0f] = 8, /* uint 8..64     */
      [0x10] = 1,  [0x11] = 2, [0x12] = 4, [0x13] = 8, /* int 8..64      */
      [0x14] = 2,  [0x15] = 3, [0x16] = 5, [0x17] = 9, /* fixext 1, 2, 4, 8, with the type byte */
      [0x18] = 17,                                     /* fixext 16      */
  };
  return kBytes[type - 0xc0];
}

/* Bytes of the length field of `type`; 0 where it has none. */
static size_t length_width(unsigned char type) {
  switch (type) {
    case 0xc4:
    case 0xc7:
    case 0xd9:
      return 1;
    case 0xc5:
    case 0xc8:
    case 0xda:
    case 0xdc:
    case 0xde:
      return 2;
    case 0xc6:
    case 0xc9:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return 4;
    default:
      return 0;
  }
}

/* false: the head itself has not arrived completely. */
static bool read_head(const unsigned char* at, size_t available, head* out) {
  *out = (head){.bytes = 1};
  if (available < 1) return false;
  unsigned char type = at[0];
  if (type < 0x80 || type >= 0xe0) return true;
  if (type < 0x90) {
    set_container(out, type & 0x0f, /*map=*/true);
  } else if (type < 0xa0) {
    set_container(out, type & 0x0f, /*map=*/false);
  } else if (type < 0xc0) {
    out->payload = type & 0x1f;
  } else {
    size_t width = length_width(type);
    if (width == 0) {
      out->payload = fixed_payload(type);
      return true;
    }
    if (available < 1 + width) return false;
    uint32_t length = big_endian(at + 1, width);
    out->bytes = 1 + width;
    if (type >= 0xdc) {
      set_container(out, length, type >= 0xde);
    } else {
      bool extension = type >= 0xc7 && type <= 0xc9;
      out->payload = (size_t)length + (extension ? 1 : 0);
    }
  }
  return true;
}

static gmi_scan_state invalid(gmi_scan* scan, const char* fault) {
  scan->fault = fault;
  return GMI_SCAN_INVALID;
}

void gmi_scan_reset(gmi_scan* scan) { memset(scan, 0, sizeof *scan); }

gmi_scan_state gmi_scan_run(gmi_scan* scan, const char* data, size_t size) {
  if (scan->fault != NULL) return GMI_SCAN_INVALID;
  while (scan->values == 0 || scan->depth > 0) {
    if (scan->position >= size) return GMI_SCAN_MORE;
    const unsigned char* at = (const unsigned char*)data + scan->position;
    if (*at == 0xc1) return invalid(scan, "a byte that MessagePack does not use");
    head value;
    if (!read_head(at, size - scan->position, &value)) return GMI_SCAN_MORE;
    if (value.payload > GMI_MESSAGE_BYTES ||
        scan->position + value.bytes + value.payload + value.children > GMI_MESSAGE_BYTES) {
      return invalid(scan, "a message of more than 16 MiB");
    }
    if (++scan->values + value.children > GMI_MESSAGE_VALUES)
      return invalid(scan, "too many values in one message");
    if (value.container && scan->depth == GMI_MESSAGE_DEPTH)
      return invalid(scan, "nesting of more than 32 levels");
    scan->position += value.bytes + value.payload;
    if (scan->depth > 0) --scan->open[scan->depth - 1];
    if (value.children > 0) scan->open[scan->depth++] = (uint32_t)value.children;
    while (scan->depth > 0 && scan->open[scan->depth - 1] == 0) --scan->depth;
  }
  return scan->position <= size ? GMI_SCAN_DONE : GMI_SCAN_MORE;
}
