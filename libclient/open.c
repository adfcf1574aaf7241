#define _GNU_SOURCE /* program_invocation_short_name */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "call.h"
#include "client.h"
#include "features.h"
#include "structs.h"
#include "wait.h"

enum { kProtocol = 1, kMaxAppBytes = 64 };

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor) TEXT_OF(major) "." TEXT_OF(minor)
static const char kClientName[] = "libgpumodel " VERSION_TEXT(GM_VERSION_MAJOR, GM_VERSION_MINOR);

static const gmi_layout kOptionsLayout = {"gm_client_options", sizeof(gm_client_options),
                                          sizeof(gm_client_options)};

static gm_status read_options(const gm_client_options* given, gm_client_options* options) {
  gm_status status = given != NULL ? gmi_struct_read(&kOptionsLayout, given, options) : GM_OK;
  if (status == GM_OK) status = gmi_check_timeout(options->timeout_ms, /*zero_allowed=*/false);
  if (status != GM_OK) return status;
  if (options->flags & ~(uint32_t)GM_CLIENT_RETURN_ON_SIGNAL) {
    return gmi_fail(GM_E_UNSUPPORTED,
                    "gm_client_options.flags 0x%x has bits that this library does not know",
                    options->flags);
  }
  if (options->app_name != NULL && strlen(options->app_name) > kMaxAppBytes) {
    return gmi_fail(GM_E_INVALID, "app_name has %zu bytes; at most %d are shown",
                    strlen(options->app_name), kMaxAppBytes);
  }
  return GM_OK;
}

/* What the kernel calls the program need not be UTF-8, which every text on the wire is. */
static void default_app_name(char* out) {
  const char* name = program_invocation_short_name;
  size_t length = 0;
  for (; name[length] != '\0' && length < kMaxAppBytes; ++length) {
    unsigned char c = (unsigned char)name[length];
    out[length] = c >= 0x20 && c < 0x7f ? (char)c : '?';
  }
  out[length] = '\0';
}

/* Fills what the answer to hello says about the connection. */
static gm_status read_hello(gm_client* client, const msgpack_object* result) {
  gmi_reader reader = gmi_read_map(result, "result");
  uint64_t protocol = gmi_read_u64(&reader, "protocol", UINT64_MAX, /*needed=*/true);
  client->features = gmi_features_read(gmi_read_array(&reader, "features", /*needed=*/false));
  gmi_reader limits = gmi_read_inner(&reader, "limits", /*needed=*/false);
  uint64_t message_bytes = gmi_read_u64(&limits, "message_bytes", UINT64_MAX, /*needed=*/false);
  if (reader.fault != NULL || limits.fault != NULL) {
    return gmi_client_broke(client, "the answer to hello",
                            reader.fault != NULL ? reader.fault : limits.fault);
  }
  if (protocol != kProtocol) {
    return gmi_client_fail(client, GM_E_VERSION, 0,
                           "the daemon speaks protocol %llu, this library %d; install versions of "
                           "libgpumodel and gpumodeld that belong together",
                           (unsigned long long)protocol, kProtocol);
  }
  if (message_bytes > 0 && message_bytes < client->message_bytes) {
    client->message_bytes = (size_t)message_bytes;
  }
  return GM_OK;
}

/* Lock held. */
static gm_status say_hello(gm_client* client, const char* app, gmi_deadline deadline) {
  gmi_call* call;
  gmi_encoder encoder;
  gm_status status = gmi_call_begin(client, "hello", &call, &encoder);
  if (status != GM_OK) return status;
  gmi_put_int(&encoder, "protocol", kProtocol);
  gmi_put_string(&encoder, "client", kClientName);
  gmi_put_string(&encoder, "app", app);
  gmi_message* response;
  status = gmi_call_run(client, call, &encoder, deadline, /*cancels=*/false, &response);
  if (status != GM_OK) return status;
  status = read_hello(client, response->result);
  gmi_message_free(response);
  return status;
}

static gm_client* make_client(const gm_client_options* options) {
  gm_client* client = calloc(1, sizeof *client);
  if (client == NULL) return NULL;
  client->flags = options->flags;
  client->user = options->user;
  client->message_bytes = GMI_MESSAGE_BYTES;
  client->references = 1;
  gmi_fork_guard_init(&client->guard);
  pthread_mutex_init(&client->lock, NULL);
  return client;
}

static void close_client(gm_client* client) {
  if (!gmi_lock_for_free(client)) return;
  gmi_error_mute();
  client->closed = true;
  if (client->ended.status == GM_OK) {
    gmi_client_fail(client, GM_E_STATE, 0, "the client of this handle was closed");
  }
  gmi_error_unmute();
  gmi_client_close_link(client);
  gmi_client_unref_unlock(client);
}

static gm_status open_client(const gm_client_options* given, gm_client** out) {
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  if (out == NULL) return gmi_fail_null("out");
  gm_status status = read_options(given, &options);
  if (status != GM_OK) return status;
  char app[kMaxAppBytes + 1];
  default_app_name(app);
  gmi_deadline deadline = gmi_deadline_after(options.timeout_ms);
  gm_client* client = make_client(&options);
  if (client == NULL) return gmi_fail_nomem();
  status = gmi_link_open(&client->link, gmi_address_path(options.socket_path), options.timeout_ms,
                         (options.flags & GM_CLIENT_RETURN_ON_SIGNAL) != 0);
  if (status != GM_OK) {
    gmi_fork_guard_free(&client->guard);
    pthread_mutex_destroy(&client->lock);
    free(client);
    return status;
  }
  gmi_lock(client);
  status = say_hello(client, options.app_name != NULL ? options.app_name : app, deadline);
  client->on_event = status == GM_OK ? options.on_event : NULL;
  client->told = client->happened; /* the daemon's hello was this call's own */
  gmi_unlock(client);
  if (status == GM_OK) {
    *out = client;
  } else {
    close_client(client);
  }
  return status;
}

gm_status gm_client_open(const gm_client_options* options, gm_client** out) {
  int saved_errno = errno;
  gm_status status = open_client(options, out);
  errno = saved_errno;
  return status;
}

void gm_client_close(gm_client* client) {
  if (client == NULL) return;
  int saved_errno = errno;
  close_client(client);
  errno = saved_errno;
}
