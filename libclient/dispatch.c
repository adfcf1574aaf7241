#include "dispatch.h"

#include "news.h"
#include "wait.h"

static const uint32_t kNoRequest = 0; /* the daemon's answer to what it could not even read */

static void end_with_error(gm_client* client, const msgpack_object* map) {
  gmi_error error;
  if (gmi_error_read(map, &error)) {
    gmi_client_end(client, &error);
  } else {
    gmi_client_broke(client, "an error", "it has no code");
  }
}

static gm_status route_response(gm_client* client, gmi_message* message) {
  gmi_pending* pending = gmi_pending_find(&client->pending, message->id);
  if (pending == NULL) {
    if (message->id == kNoRequest && message->error != NULL) {
      end_with_error(client, message->error);
    } else {
      gmi_client_broke(client, "a response", "no request of that number is open");
    }
    gmi_message_free(message);
    return GM_OK;
  }
  gmi_pending_remove(&client->pending, pending);
  gm_status status = pending->ops->answered(client, pending, message);
  if (status == GM_E_NOMEM) gmi_pending_add(&client->pending, pending);
  return status;
}

static gm_status route_notification(gm_client* client, gmi_message* message) {
  bool chunk = gmi_text_equals(message->method, "generate.chunk");
  bool progress = gmi_text_equals(message->method, "lease.progress");
  if (!chunk && !progress) return gmi_news_notified(client, message);
  gmi_reader params = gmi_read_map(message->params, "params");
  uint64_t id = gmi_read_u64(&params, "request", UINT32_MAX, /*needed=*/true);
  gmi_pending* pending =
      params.fault == NULL ? gmi_pending_find(&client->pending, (uint32_t)id) : NULL;
  if (pending != NULL && pending->ops->notified != NULL) {
    return pending->ops->notified(client, pending, message);
  }
  /* Late progress hurts nobody; text that belongs to no generation was lost by somebody. */
  if (chunk) gmi_client_broke(client, "generate.chunk", "no generation of that number is open");
  gmi_message_free(message);
  return GM_OK;
}

/* One message of `size` bytes at the front of link.in. */
static gm_status dispatch_one(gm_client* client, const char* data, const gmi_scan* scan) {
  gmi_message* message = NULL;
  const char* fault = NULL;
  gm_status status = gmi_message_unpack(data, scan->position, scan->values, &message, &fault);
  if (status == GM_E_PROTOCOL) {
    gmi_client_broke(client, "a message", fault);
    return GM_OK;
  }
  if (status == GM_OK) {
    status = message->type == GMI_RESPONSE ? route_response(client, message)
                                           : route_notification(client, message);
    if (status == GM_E_NOMEM) gmi_message_free(message);
  }
  return status;
}

gm_status gmi_dispatch(gm_client* client) {
  gmi_link* link = &client->link;
  size_t done = 0;
  gm_status status = GM_OK;
  client->backlog = false;
  while (status == GM_OK && client->ended.status == GM_OK && done < link->in.size) {
    gmi_scan_state state = gmi_scan_run(&link->scan, link->in.data + done, link->in.size - done);
    if (state == GMI_SCAN_MORE) break;
    if (state == GMI_SCAN_INVALID) {
      gmi_client_broke(client, "a message", link->scan.fault);
      break;
    }
    size_t size = link->scan.position;
    status = dispatch_one(client, link->in.data + done, &link->scan);
    if (status == GM_OK) done += size;
    gmi_scan_reset(&link->scan);
  }
  if (client->ended.status != GM_OK) {
    done = link->in.size;
  } else if (status == GM_E_NOMEM) {
    client->backlog = true;
  }
  gmi_buffer_drop(&link->in, done);
  gmi_link_trim_in(link);
  if (done > 0) gmi_happened(client);
  return status;
}
