#include <stdlib.h>

#include "error.h"

/* The header's numbers and the table's are one list. */
#define GPUMODEL_ERROR(name, constant, number, text) \
  _Static_assert((constant) == (number), #constant " differs from the table");
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR

uint32_t gm_version(void) { return GM_VERSION_NUM; }

const char* gm_status_name(gm_status status) {
  switch (status) {
    case GM_OK:
      return "GM_OK";
    case GM_AGAIN:
      return "GM_AGAIN";
    case GM_END:
      return "GM_END";
#define GPUMODEL_ERROR(name, constant, number, text) \
  case constant:                                     \
    return #constant;
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
    default:
      return "GM_E_UNKNOWN";
  }
}

const char* gm_status_text(gm_status status) {
  switch (status) {
    case GM_OK:
      return "Done.";
    case GM_AGAIN:
      return "Not yet; call again.";
    case GM_END:
      return "The stream has ended.";
#define GPUMODEL_ERROR(name, constant, number, text) \
  case constant:                                     \
    return text;
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
    default:
      return "An error that this version of the library does not know.";
  }
}

const char* gmi_status_wire_name(gm_status status) {
  switch (status) {
#define GPUMODEL_ERROR(name, constant, number, text) \
  case constant:                                     \
    return #name;
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
    default:
      return NULL;
  }
}

void gm_free(void* ptr) { free(ptr); }
