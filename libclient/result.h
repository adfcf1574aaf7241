/* What a generation's response says. */
#ifndef GPUMODEL_LIBCLIENT_RESULT_H
#define GPUMODEL_LIBCLIENT_RESULT_H

#include "message.h"
#include "structs.h"

extern const gmi_layout gmi_result_layout;

/* The response's result into a struct of this release, text_len 0. Returns what is wrong with it,
 * or NULL. */
const char* gmi_result_read(const msgpack_object* result, gm_result* out);

#endif
