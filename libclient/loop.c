/* For programs with an event loop of their own, and for those who end another thread's waiting. */
#include <errno.h>
#include <poll.h>

#include "call.h"
#include "client.h"
#include "event.h"
#include "wait.h"

void gm_client_interrupt(gm_client* client) {
  if (client == NULL || gmi_in_child(client)) return;
  atomic_store(&client->interrupted, true);
  gmi_link_wake(&client->link);
}

int gm_client_fd(gm_client* client) {
  return client == NULL || gmi_in_child(client) ? -1 : client->link.epoll_fd;
}

int gm_client_poll_events(gm_client* client) {
  return client == NULL || gmi_in_child(client) ? 0 : POLLIN;
}

int gm_client_poll_timeout(gm_client* client) {
  enum { kOwedAgainMs = 100 };
  if (client == NULL || gmi_in_child(client)) return -1;
  gmi_lock(client);
  int timeout_ms = -1;
  if (client->owes) timeout_ms = kOwedAgainMs;
  /* What another call read while it waited for its own may be what a pending handle waits for, and
   * the descriptor says nothing of it any more. */
  bool untold = client->happened != client->told;
  if (client->backlog || untold || gmi_events_waiting(client)) timeout_ms = 0;
  gmi_unlock(client);
  return timeout_ms;
}

static gm_status dispatch(gm_client* client, int32_t timeout_ms) {
  gm_status status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/true);
  if (status == GM_OK) status = gmi_client_check(client);
  if (status != GM_OK) return status;
  /* Also where nothing blocks: it is what woke the program's loop. */
  if (gmi_take_interrupt(client)) {
    gmi_link_drain_wake(&client->link);
    return gmi_fail_interrupted();
  }
  return gmi_wait_any(client, gmi_deadline_after(timeout_ms));
}

gm_status gm_client_dispatch(gm_client* client, int32_t timeout_ms) {
  int saved_errno = errno;
  gm_status status = gmi_enter(client, "client");
  if (status == GM_OK) {
    gmi_lock(client);
    status = dispatch(client, timeout_ms);
    client->told = client->happened;
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}
