/* The calling thread's last error, and errors that objects keep to report later. */
#ifndef GPUMODEL_LIBCLIENT_ERROR_H
#define GPUMODEL_LIBCLIENT_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "gpumodel.h"

typedef struct gmi_error {
  gm_status status; /* GM_OK: none */
  int sys_errno;
  bool retryable;
  int64_t retry_after_ms; /* -1: unknown */
  char message[512];
  char* detail; /* JSON, malloc'd; NULL: none, or memory was short */
} gmi_error;

/* Sets the thread's last error and returns `status`. */
gm_status gmi_fail(gm_status status, const char* format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a failed system call; the text of `sys_errno` is appended. */
gm_status gmi_fail_errno(gm_status status, int sys_errno, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
gm_status gmi_fail_nomem(void);
gm_status gmi_fail_null(const char* argument); /* GM_E_INVALID: it must not be NULL */
/* The same with an error kept elsewhere, which stays as it is. */
gm_status gmi_fail_with(const gmi_error* error);
/* The same, and takes error->detail. */
gm_status gmi_fail_take(gmi_error* error);

/* While muted the calling thread's last error stays as it is: for work done on behalf of others,
 * and for what follows a failure that was already set. Nests. */
void gmi_error_mute(void);
void gmi_error_unmute(void);

/* Writes into `out` what gmi_fail would set; for errors that are kept. */
void gmi_error_format(gmi_error* out, gm_status status, int sys_errno, const char* format,
                      va_list arguments) __attribute__((format(printf, 4, 0)));
/* Copies at most capacity - 1 bytes, ending at a character's end, and terminates. */
void gmi_copy_text(char* out, size_t capacity, const char* text, size_t length);

/* The name on the wire ("busy"), NULL for a number that is not in the table. */
const char* gmi_status_wire_name(gm_status status);

#endif
