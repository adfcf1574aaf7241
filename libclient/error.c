#define _GNU_SOURCE /* strerrordesc_np */
#include "error.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "structs.h"

static const gmi_layout kErrorLayout = {"gm_error", sizeof(gm_error), sizeof(gm_error)};

static _Thread_local gmi_error last_error;
static _Thread_local int muted;

/* The key only frees a thread's detail when the thread ends. */
static pthread_once_t detail_once = PTHREAD_ONCE_INIT;
static pthread_key_t detail_key;
static bool detail_key_made;

static void make_detail_key(void) { detail_key_made = pthread_key_create(&detail_key, free) == 0; }

static void set_detail(char* detail) {
  if (last_error.detail == NULL && detail == NULL) return;
  pthread_once(&detail_once, make_detail_key);
  free(last_error.detail);
  last_error.detail = NULL;
  if (detail_key_made && pthread_setspecific(detail_key, detail) == 0) {
    last_error.detail = detail;
  } else {
    if (detail_key_made) pthread_setspecific(detail_key, NULL);
    free(detail);
  }
}

void gmi_copy_text(char* out, size_t capacity, const char* text, size_t length) {
  if (length >= capacity) {
    length = capacity - 1;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) --length;
  }
  memcpy(out, text, length);
  out[length] = '\0';
}

void gmi_error_format(gmi_error* out, gm_status status, int sys_errno, const char* format,
                      va_list arguments) {
  char text[sizeof out->message * 2];
  int length = vsnprintf(text, sizeof text, format, arguments);
  if (length < 0) text[0] = '\0';
  size_t used = strlen(text);
  if (sys_errno != 0) {
    const char* reason = strerrordesc_np(sys_errno);
    snprintf(text + used, sizeof text - used, ": %s", reason != NULL ? reason : "unknown error");
  }
  *out = (gmi_error){.status = status, .sys_errno = sys_errno, .retry_after_ms = -1};
  gmi_copy_text(out->message, sizeof out->message, text, strlen(text));
}

void gmi_error_mute(void) { ++muted; }

void gmi_error_unmute(void) { --muted; }

gm_status gmi_fail_take(gmi_error* error) {
  if (muted > 0) {
    free(error->detail);
    error->detail = NULL;
    return error->status;
  }
  char* detail = error->detail;
  error->detail = NULL;
  set_detail(detail);
  detail = last_error.detail;
  last_error = *error;
  last_error.detail = detail;
  return error->status;
}

gm_status gmi_fail_with(const gmi_error* error) {
  gmi_error copy = *error;
  copy.detail = error->detail != NULL && muted == 0 ? strdup(error->detail) : NULL;
  return gmi_fail_take(&copy);
}

gm_status gmi_fail(gm_status status, const char* format, ...) {
  gmi_error error;
  va_list arguments;
  va_start(arguments, format);
  gmi_error_format(&error, status, 0, format, arguments);
  va_end(arguments);
  return gmi_fail_take(&error);
}

gm_status gmi_fail_errno(gm_status status, int sys_errno, const char* format, ...) {
  gmi_error error;
  va_list arguments;
  va_start(arguments, format);
  gmi_error_format(&error, status, sys_errno, format, arguments);
  va_end(arguments);
  return gmi_fail_take(&error);
}

gm_status gmi_fail_nomem(void) {
  return gmi_fail(GM_E_NOMEM, "this process is out of memory; nothing was changed");
}

gm_status gmi_fail_null(const char* argument) {
  return gmi_fail(GM_E_INVALID, "%s must not be NULL", argument);
}

gm_status gm_last_error(gm_error* out) {
  if (out == NULL || out->struct_size < kErrorLayout.first) return GM_E_INVALID;
  gm_error filled = GM_ERROR_INIT;
  filled.status = last_error.status;
  filled.sys_errno = last_error.sys_errno;
  filled.retryable = last_error.retryable ? 1 : 0;
  if (last_error.retry_after_ms > 0) {
    filled.retry_after_ms =
        last_error.retry_after_ms < UINT32_MAX ? (uint32_t)last_error.retry_after_ms : UINT32_MAX;
  }
  memcpy(filled.message, last_error.message, sizeof filled.message);
  gmi_struct_write(&kErrorLayout, &filled, out);
  return GM_OK;
}

gm_status gm_last_error_json(char** json) {
  if (json == NULL) return GM_E_INVALID;
  int saved_errno = errno;
  char* text = gmi_json_error(&last_error);
  errno = saved_errno;
  if (text == NULL) return GM_E_NOMEM;
  *json = text;
  return GM_OK;
}
