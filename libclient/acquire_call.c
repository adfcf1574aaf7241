/* gm_lease_acquire and its kin: from the arguments to the request, and the wait for its answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acquire.h"
#include "features.h"
#include "structs.h"
#include "wait.h"

enum { kMaxModels = GMI_ACQUIRE_MODELS, kMaxModelBytes = 128 };

static const gmi_layout kOptionsLayout = {"gm_lease_options", sizeof(gm_lease_options),
                                          sizeof(gm_lease_options)};

static gm_status check_arguments(gm_client* client, const char* const* models, size_t count,
                                 const gm_lease_options* given, gm_lease** out,
                                 gm_lease_options* options) {
  if (models == NULL) return gmi_fail_null("models");
  if (out == NULL) return gmi_fail_null("out");
  if (count < 1 || count > kMaxModels) {
    return gmi_fail(GM_E_INVALID, "1 to %d models can be acquired together, not %zu", kMaxModels,
                    count);
  }
  for (size_t i = 0; i < count; ++i) {
    if (models[i] == NULL) return gmi_fail_null("a model's name");
    size_t length = strlen(models[i]);
    if (length < 1 || length > kMaxModelBytes) {
      return gmi_fail(GM_E_INVALID, "a model's name has 1 to %d bytes, not %zu", kMaxModelBytes,
                      length);
    }
  }
  gm_status status = given != NULL ? gmi_struct_read(&kOptionsLayout, given, options) : GM_OK;
  if (status != GM_OK) return status;
  if (options->wait_ms < GM_WAIT_FOREVER) {
    return gmi_fail(GM_E_INVALID, "wait_ms is %d; give 0 or more, or GM_WAIT_FOREVER",
                    options->wait_ms);
  }
  if (options->flags & ~(uint32_t)(GM_LEASE_ONLY_IF_READY | GM_LEASE_WAIT_FOREIGN)) {
    return gmi_fail(GM_E_UNSUPPORTED,
                    "gm_lease_options.flags 0x%x has bits that this library does not "
                    "know",
                    options->flags);
  }
  if (options->flags & GM_LEASE_WAIT_FOREIGN) {
    return gmi_need_feature(client, GMI_FEATURE_WAIT_FOREIGN, "GM_LEASE_WAIT_FOREIGN");
  }
  return GM_OK;
}

static void encode(gm_client* client, const char* const* models, size_t count,
                   const gm_lease_options* options, uint32_t id, gmi_encoder* encoder) {
  gmi_encode_request(encoder, id, "lease.acquire");
  gmi_put_strings(encoder, "models", models, count);
  if (options->wait_ms >= 0) gmi_put_int(encoder, "wait_ms", options->wait_ms);
  if (options->context_tokens > 0) gmi_put_u64(encoder, "context_tokens", options->context_tokens);
  if (options->flags & GM_LEASE_ONLY_IF_READY) gmi_put_bool(encoder, "only_if_ready", true);
  if (options->flags & GM_LEASE_WAIT_FOREIGN) gmi_put_bool(encoder, "wait_foreign", true);
  bool progress = client->on_event != NULL && (client->features & GMI_FEATURE_PROGRESS) != 0;
  if (progress) gmi_put_bool(encoder, "progress", true);
}

/* Takes back what make_acquire made and nobody has seen. */
static void unmake(gm_client* client, gmi_acquire* acquire) {
  for (size_t i = 0; i < acquire->count; ++i) {
    free(acquire->leases[i]);
    --client->references;
  }
  free(acquire);
}

static gmi_acquire* make(gm_client* client, const char* const* models, size_t count) {
  gmi_acquire* acquire = calloc(1, sizeof *acquire + count * sizeof(gm_lease*));
  if (acquire == NULL) return NULL;
  acquire->pending.ops = &gmi_acquire_ops;
  acquire->references = 1;
  for (; acquire->count < count; ++acquire->count) {
    gm_lease* lease = gmi_lease_new(client, models[acquire->count]);
    if (lease == NULL) {
      unmake(client, acquire);
      return NULL;
    }
    acquire->leases[acquire->count] = lease;
    lease->acquire = acquire;
    ++acquire->references;
    gmi_lease_ref(lease); /* the acquire's */
  }
  return acquire;
}

/* Lock held. Sends the request; the leases are pending then. */
static gm_status begin(gm_client* client, const char* const* models, size_t count,
                       const gm_lease_options* given, gm_lease** out, bool handles_shown) {
  gm_lease_options options = GM_LEASE_OPTIONS_INIT;
  gm_status status = check_arguments(client, models, count, given, out, &options);
  if (status == GM_OK) status = gmi_client_check(client);
  if (status != GM_OK) return status;
  gmi_acquire* acquire = make(client, models, count);
  if (acquire == NULL) return gmi_fail_nomem();
  acquire->pending.id = gmi_client_next_id(client);
  acquire->handles_shown = handles_shown;
  gmi_encoder encoder;
  encode(client, models, count, &options, acquire->pending.id, &encoder);
  status = gmi_encoder_finish(&encoder, client->message_bytes);
  if (status == GM_OK) status = gmi_client_send(client, &acquire->pending, &encoder);
  gmi_encoder_free(&encoder);
  if (status != GM_OK) {
    unmake(client, acquire);
    return status;
  }
  memcpy(out, acquire->leases, count * sizeof *out);
  return GM_OK;
}

static bool settled(const void* subject) {
  const gm_lease* lease = subject;
  return lease->state != GMI_LEASE_PENDING;
}

static gm_status acquire_all(gm_client* client, const char* const* models, size_t count,
                             const gm_lease_options* options, gm_lease** out) {
  gm_lease* leases[kMaxModels];
  gm_status status = gmi_enter(client, "client");
  if (status != GM_OK) return status;
  gmi_lock(client);
  status = out == NULL ? gmi_fail_null("out")
                       : begin(client, models, count, options, leases, /*handles_shown=*/false);
  if (status == GM_OK) {
    status = gmi_wait(client, settled, leases[0], gmi_deadline_after(GM_WAIT_FOREVER));
    if (status == GM_OK) status = gmi_lease_check(leases[0]);
    if (status == GM_OK) {
      memcpy(out, leases, count * sizeof *out);
    } else {
      for (size_t i = 0; i < count; ++i) {
        gmi_lease_drop_handle(leases[i]);
        --client->references;
      }
    }
  }
  gmi_leave(client);
  return status;
}

gm_status gm_lease_acquire_all(gm_client* client, const char* const* models, size_t count,
                               const gm_lease_options* options, gm_lease** out) {
  int saved_errno = errno;
  gm_status status = acquire_all(client, models, count, options, out);
  errno = saved_errno;
  return status;
}

gm_status gm_lease_acquire(gm_client* client, const char* model, const gm_lease_options* options,
                           gm_lease** out) {
  if (model == NULL) return gmi_fail_null("model");
  return gm_lease_acquire_all(client, &model, 1, options, out);
}

gm_status gm_lease_begin(gm_client* client, const char* const* models, size_t count,
                         const gm_lease_options* options, gm_lease** out) {
  int saved_errno = errno;
  gm_status status = gmi_enter(client, "client");
  if (status == GM_OK) {
    gmi_lock(client);
    status = begin(client, models, count, options, out, /*handles_shown=*/true);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}
