#include "client.h"

#include <stdlib.h>

#include "acquire.h"
#include "event.h"
#include "news.h"
#include "wait.h"

gm_status gmi_enter(gm_client* client, const char* argument) {
  if (client == NULL) return gmi_fail_null(argument);
  if (!gmi_in_child(client)) return GM_OK;
  return gmi_fail(GM_E_FORKED, "the connection was opened before fork(); open one in this process");
}

bool gmi_in_child(const gm_client* client) { return gmi_fork_guard_in_child(&client->guard); }

void gmi_lock(gm_client* client) { pthread_mutex_lock(&client->lock); }

void gmi_unlock(gm_client* client) { pthread_mutex_unlock(&client->lock); }

void gmi_leave(gm_client* client) {
  gmi_deliver_events(client);
  gmi_unlock(client);
}

static void lose_all(gm_client* client) {
  gmi_pending* pending;
  while ((pending = gmi_pending_any(&client->pending)) != NULL) {
    gmi_pending_remove(&client->pending, pending);
    pending->ops->lost(client, pending);
  }
}

bool gmi_lock_for_free(gm_client* client) {
  if (!gmi_in_child(client)) {
    gmi_lock(client);
    return true;
  }
  if (pthread_mutex_trylock(&client->lock) != 0) return false;
  if (client->ended.status == GM_OK) {
    /* The sockets are the parent's too, so nothing is shut down here. */
    client->ended.status = GM_E_FORKED;
    client->waiters = NULL; /* they were the parent's threads */
    lose_all(client);
  }
  return true;
}

void gmi_client_close_link(gm_client* client) {
  if (client->closed && client->waiters == NULL) gmi_link_close(&client->link);
}

void gmi_client_unref_unlock(gm_client* client) {
  bool last = --client->references == 0;
  gmi_unlock(client);
  if (!last) return;
  while (client->progress != NULL) {
    gmi_acquire* acquire = client->progress;
    client->progress = acquire->next_progress;
    gmi_acquire_unref(acquire);
  }
  gmi_daemon_event* event;
  while ((event = gmi_news_take_event(client)) != NULL) gmi_daemon_event_free(event);
  gmi_link_close(&client->link);
  gmi_fork_guard_free(&client->guard);
  pthread_mutex_destroy(&client->lock);
  free(client->ended.detail);
  free(client);
}

gm_status gmi_client_check(const gm_client* client) {
  return client->ended.status == GM_OK ? GM_OK : gmi_fail_with(&client->ended);
}

gm_status gmi_client_end(gm_client* client, gmi_error* error) {
  if (client->ended.status != GM_OK) {
    free(error->detail);
    return gmi_fail_with(&client->ended);
  }
  client->ended = *error;
  client->backlog = false;
  client->disconnect_event = client->on_event != NULL;
  gmi_link_shutdown(&client->link);
  lose_all(client);
  gmi_wake_all(client);
  return gmi_fail_with(&client->ended);
}

gm_status gmi_client_fail(gm_client* client, gm_status status, int sys_errno, const char* format,
                          ...) {
  gmi_error error;
  va_list arguments;
  va_start(arguments, format);
  gmi_error_format(&error, status, sys_errno, format, arguments);
  va_end(arguments);
  return gmi_client_end(client, &error);
}

gm_status gmi_client_broke(gm_client* client, const char* what, const char* fault) {
  return gmi_client_fail(client, GM_E_PROTOCOL, 0,
                         "the daemon broke the protocol (%s: %s); the connection is closed; please "
                         "report this with both versions",
                         what, fault);
}

uint32_t gmi_client_next_id(gm_client* client) {
  do {
    ++client->last_id;
  } while (client->last_id == 0 || gmi_pending_find(&client->pending, client->last_id) != NULL);
  return client->last_id;
}

gm_status gmi_client_send(gm_client* client, gmi_pending* pending, const gmi_encoder* encoder) {
  gm_status status = gmi_client_check(client);
  if (status == GM_OK) {
    gmi_client_pay(client);
    status = gmi_link_send(&client->link, encoder->buffer.data, encoder->buffer.size);
  }
  if (status == GM_OK) gmi_pending_add(&client->pending, pending);
  return status;
}

void gmi_client_owe(gm_client* client, gmi_pending* pending) {
  if (client->ended.status != GM_OK) return;
  gmi_error_mute();
  pending->owes = !pending->ops->pay(client, pending);
  gmi_error_unmute();
  client->owes = client->owes || pending->owes;
}

void gmi_client_pay(gm_client* client) {
  if (!client->owes || client->ended.status != GM_OK) return;
  client->owes = false;
  for (int i = 0; i < GMI_PENDING_BUCKETS; ++i) {
    for (gmi_pending* at = client->pending.buckets[i]; at != NULL; at = at->next) {
      if (at->owes) gmi_client_owe(client, at);
    }
  }
}

bool gmi_client_send_cancel(gm_client* client, uint32_t id) {
  gmi_encoder encoder;
  gmi_encode_notification(&encoder, "cancel");
  gmi_put_u64(&encoder, "request", id);
  bool sent = gmi_encoder_finish(&encoder, client->message_bytes) == GM_OK &&
              gmi_link_send(&client->link, encoder.buffer.data, encoder.buffer.size) == GM_OK;
  gmi_encoder_free(&encoder);
  return sent;
}
