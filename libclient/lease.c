#include "lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acquire.h"
#include "release.h"
#include "structs.h"
#include "wait.h"

static const gmi_layout kInfoLayout = {"gm_lease_info", sizeof(gm_lease_info),
                                       sizeof(gm_lease_info)};

gm_lease* gmi_lease_new(gm_client* client, const char* model) {
  size_t length = strlen(model);
  gm_lease* lease = calloc(1, sizeof *lease + length + 1);
  if (lease == NULL) return NULL;
  memcpy(lease->model, model, length);
  lease->client = client;
  lease->references = 1;
  lease->has_handle = true;
  lease->state = GMI_LEASE_PENDING;
  ++client->references;
  return lease;
}

void gmi_lease_ref(gm_lease* lease) { ++lease->references; }

static bool in_list(const gm_lease* lease) {
  return lease->previous != NULL || lease->client->leases == lease;
}

static void link_lease(gm_lease* lease) {
  lease->next = lease->client->leases;
  if (lease->next != NULL) lease->next->previous = lease;
  lease->client->leases = lease;
}

static void unlink_lease(gm_lease* lease) {
  if (lease->next != NULL) lease->next->previous = lease->previous;
  if (lease->previous != NULL) {
    lease->previous->next = lease->next;
  } else {
    lease->client->leases = lease->next;
  }
}

static void drop_news(gm_lease* lease) {
  if (lease->news != 0) --lease->client->leases_with_news;
  lease->news = 0;
}

void gmi_lease_unref(gm_lease* lease) {
  if (--lease->references > 0) return;
  if (in_list(lease)) unlink_lease(lease);
  if (lease->acquire != NULL) gmi_acquire_unref(lease->acquire);
  gmi_message_free(lease->answer);
  free(lease);
}

void gmi_lease_drop_handle(gm_lease* lease) {
  lease->has_handle = false;
  drop_news(lease);
  if (lease->state == GMI_LEASE_PENDING) gmi_acquire_lease_dropped(lease->client, lease->acquire);
  if (lease->state == GMI_LEASE_HELD) gmi_release_unattended(lease);
  gmi_lease_unref(lease);
}

void gmi_lease_granted(gm_lease* lease, uint64_t id, uint64_t epoch, uint32_t context_tokens) {
  lease->state = GMI_LEASE_HELD;
  lease->id = id;
  lease->epoch = epoch;
  lease->context_tokens = context_tokens;
  link_lease(lease);
  if (!lease->has_handle) gmi_release_unattended(lease);
}

void gmi_lease_refused(gm_lease* lease) { lease->state = GMI_LEASE_FAILED; }

gm_lease* gmi_lease_find(const gm_client* client, uint64_t id) {
  gm_lease* lease = client->leases;
  while (lease != NULL && (lease->id != id || lease->state != GMI_LEASE_HELD)) lease = lease->next;
  return lease;
}

void gmi_lease_lost(gm_lease* lease, gmi_message* message) {
  lease->state = GMI_LEASE_LOST;
  lease->answer = message;
}

void gmi_lease_take_news(gm_client* client, gm_event* event) {
  gm_lease* lease = client->leases;
  while (lease->news == 0) lease = lease->next;
  event->type = lease->news;
  event->lease = lease;
  drop_news(lease);
}

/* Why the acquire failed: the daemon's error, or the connection's end. */
static gm_status fail_refused(const gm_lease* lease) {
  const gmi_message* refused = lease->acquire != NULL ? lease->acquire->refused : NULL;
  gmi_error error;
  if (refused != NULL && gmi_error_read(refused->error, &error)) return gmi_fail_take(&error);
  return gmi_client_check(lease->client);
}

static gm_status fail_lost(const gm_lease* lease) {
  enum { kReasonBytes = 300 };
  gmi_reader params = gmi_read_map(lease->answer->params, "params");
  gmi_text text = gmi_read_text(&params, "reason", /*needed=*/false);
  char reason[kReasonBytes];
  gmi_copy_text(reason, sizeof reason, text.data, text.size);
  return gmi_fail(GM_E_LEASE_LOST, "the lease on %s was lost%s%s; acquire another one",
                  lease->model, text.size > 0 ? ": " : "", reason);
}

gm_status gmi_lease_check(const gm_lease* lease) {
  switch (lease->state) {
    case GMI_LEASE_HELD:
      return gmi_client_check(lease->client);
    case GMI_LEASE_PENDING:
      return gmi_fail(GM_E_STATE, "the lease on %s is not granted yet; ask gm_lease_poll",
                      lease->model);
    case GMI_LEASE_FAILED:
      return fail_refused(lease);
    case GMI_LEASE_LOST:
      return fail_lost(lease);
    case GMI_LEASE_RELEASING:
    case GMI_LEASE_RELEASED:
      break;
  }
  return gmi_fail(GM_E_STATE, "the lease on %s was released; acquire another one", lease->model);
}

static bool no_longer_pending(const void* subject) {
  const gm_lease* lease = subject;
  return lease->state != GMI_LEASE_PENDING;
}

static gm_status poll_lease(gm_lease* lease) {
  gm_client* client = lease->client;
  gm_status status = gmi_enter(client, "lease");
  if (status != GM_OK) return status;
  gmi_lock(client);
  status = gmi_wait(client, no_longer_pending, lease, gmi_deadline_after(0));
  if (status == GM_OK) status = gmi_lease_check(lease);
  gmi_leave(client);
  return status;
}

gm_status gm_lease_poll(gm_lease* lease) {
  int saved_errno = errno;
  gm_status status = lease == NULL ? gmi_fail_null("lease") : poll_lease(lease);
  errno = saved_errno;
  return status;
}

static uint32_t public_state(const gm_lease* lease) {
  if (lease->state == GMI_LEASE_PENDING) return GM_LEASE_PENDING;
  if (lease->state != GMI_LEASE_HELD || lease->client->ended.status != GM_OK) {
    return GM_LEASE_ENDED;
  }
  if (!lease->suspended) return GM_LEASE_HELD;
  bool wanted = gmi_pending_any_of(&lease->client->pending, lease->id, lease->epoch);
  return wanted ? GM_LEASE_RESUMING : GM_LEASE_SUSPENDED;
}

gm_status gm_lease_get_info(gm_lease* lease, gm_lease_info* out) {
  if (lease == NULL) return gmi_fail_null("lease");
  if (out == NULL) return gmi_fail_null("out");
  gm_status status = gmi_enter(lease->client, "lease");
  if (status == GM_OK) status = gmi_struct_check(&kInfoLayout, out);
  if (status != GM_OK) return status;
  gm_lease_info info = GM_LEASE_INFO_INIT;
  gmi_lock(lease->client);
  info.id = lease->id;
  info.epoch = lease->epoch;
  info.state = public_state(lease);
  info.context_tokens = lease->context_tokens;
  info.model = lease->model;
  gmi_unlock(lease->client);
  gmi_struct_write(&kInfoLayout, &info, out);
  return GM_OK;
}

void gm_lease_free(gm_lease* lease) {
  if (lease == NULL) return;
  int saved_errno = errno;
  gm_client* client = lease->client;
  if (gmi_lock_for_free(client)) {
    gmi_lease_drop_handle(lease);
    gmi_client_unref_unlock(client);
  }
  errno = saved_errno;
}
