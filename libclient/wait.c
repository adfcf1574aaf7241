#define _GNU_SOURCE /* syscall */
#include "wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dispatch.h"
#include "event.h"

/* A sleep without a limit would be restarted by the kernel after a signal, unseen. */
enum { kLongestSleepMs = 3600 * 1000 };

struct gmi_waiter {
  gmi_waiter* next;
  gmi_waiter* previous;
  const void* subject;
  _Atomic uint32_t state; /* the futex: one of the following */
  bool any;               /* waits for whatever happens */
  bool interrupted;
};

enum {
  kAsleep = 0,
  kWoken = 1, /* from its sleep; it has not looked yet                        */
  kBusy = 2   /* reads, runs a callback or looks: it will look again by itself */
};

static void link_waiter(gm_client* client, gmi_waiter* waiter) {
  waiter->next = client->waiters;
  if (waiter->next != NULL) waiter->next->previous = waiter;
  client->waiters = waiter;
}

static void unlink_waiter(gm_client* client, gmi_waiter* waiter) {
  if (waiter->next != NULL) waiter->next->previous = waiter->previous;
  if (waiter->previous != NULL) {
    waiter->previous->next = waiter->next;
  } else {
    client->waiters = waiter->next;
  }
}

static void wake(gmi_waiter* waiter) {
  uint32_t asleep = kAsleep;
  if (!atomic_compare_exchange_strong(&waiter->state, &asleep, kWoken)) return;
  syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void gmi_wake(gm_client* client, const void* subject) {
  for (gmi_waiter* at = client->waiters; at != NULL; at = at->next) {
    if (at->subject == subject) wake(at);
  }
}

void gmi_happened(gm_client* client) {
  ++client->happened;
  for (gmi_waiter* at = client->waiters; at != NULL; at = at->next) {
    if (at->any) wake(at);
  }
}

void gmi_wake_all(gm_client* client) {
  for (gmi_waiter* at = client->waiters; at != NULL; at = at->next) wake(at);
}

void gmi_hand_over(gm_client* client) {
  if (client->reading) return;
  gmi_waiter* sleeper = NULL;
  for (gmi_waiter* at = client->waiters; at != NULL; at = at->next) {
    uint32_t state = atomic_load(&at->state);
    if (state == kWoken) return; /* it reads, or hands over in its turn */
    if (state == kAsleep) sleeper = at;
  }
  if (sleeper != NULL) wake(sleeper);
}

bool gmi_take_interrupt(gm_client* client) {
  if (!atomic_load(&client->interrupted) || !atomic_exchange(&client->interrupted, false)) {
    return false;
  }
  for (gmi_waiter* at = client->waiters; at != NULL; at = at->next) {
    at->interrupted = true;
    wake(at);
  }
  return true;
}

gm_status gmi_fail_interrupted(void) {
  return gmi_fail(GM_E_INTERRUPTED, "the call was interrupted");
}

static gm_status after_signal(const gm_client* client) {
  return client->flags & GM_CLIENT_RETURN_ON_SIGNAL ? gmi_fail_interrupted() : GM_OK;
}

/* Sleeps until somebody wakes this waiter. */
static gm_status sleep_until_woken(gm_client* client, gmi_waiter* waiter, gmi_deadline deadline) {
  int left_ms = gmi_deadline_left_ms(deadline);
  if (left_ms < 0 || left_ms > kLongestSleepMs) left_ms = kLongestSleepMs;
  struct timespec limit = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000L};
  gmi_unlock(client);
  long result = syscall(SYS_futex, &waiter->state, FUTEX_WAIT_PRIVATE, kAsleep, &limit, NULL, 0);
  bool signalled = result != 0 && errno == EINTR;
  gmi_lock(client);
  return signalled ? after_signal(client) : GM_OK;
}

/* What arrived may be for others, and so may its faults. */
static gm_status dispatch(gm_client* client) {
  gmi_error_mute();
  gm_status status = gmi_dispatch(client);
  gmi_error_unmute();
  return status == GM_E_NOMEM ? gmi_fail_nomem() : status;
}

static gm_status take_received(gm_client* client, ssize_t received) {
  if (client->ended.status != GM_OK || received == -EAGAIN) return GM_OK;
  if (received > 0) return dispatch(client);
  bool cut = client->link.in.size > 0;
  gmi_error_mute();
  gmi_client_fail(client, GM_E_DISCONNECTED, (int)-received, "the daemon closed the connection%s",
                  cut ? " in the middle of a message" : "");
  gmi_error_unmute();
  return GM_OK;
}

/* Reads the socket once and dispatches; waits for it until the deadline. */
static gm_status read_once(gm_client* client, gmi_deadline deadline) {
  struct pollfd fds[2] = {{.fd = client->link.socket_fd, .events = POLLIN},
                          {.fd = client->link.wake_fd, .events = POLLIN}};
  gmi_client_pay(client);
  if (client->backlog) return dispatch(client);
  if (client->link.out.size > 0) fds[0].events |= POLLOUT;
  if (!gmi_link_make_room(&client->link)) return gmi_fail_nomem();
  /* What is owed is tried again before long. */
  int left_ms = gmi_deadline_left_ms(deadline);
  if (client->owes && (left_ms < 0 || left_ms > 100)) left_ms = 100;

  gmi_unlock(client);
  int count = poll(fds, 2, left_ms);
  int reason = count < 0 ? errno : 0;
  if (count > 0 && fds[1].revents != 0) gmi_link_drain_wake(&client->link);
  ssize_t received = -EAGAIN;
  if (count > 0 && (fds[0].revents & ~POLLOUT) != 0) received = gmi_link_receive(&client->link);
  gmi_lock(client);

  if (count > 0 && (fds[0].revents & POLLOUT) != 0) gmi_link_flush(&client->link);
  if (reason == EINTR) return after_signal(client);
  if (reason != 0) return gmi_fail_errno(GM_E_SYSTEM, reason, "cannot wait for the daemon");
  return take_received(client, received);
}

static gm_status read_alone(gm_client* client, gmi_deadline deadline) {
  client->reading = true;
  gm_status status = read_once(client, deadline);
  client->reading = false;
  return status;
}

static gm_status wait_linked(gm_client* client, gmi_waiter* waiter, bool (*ready)(const void*),
                             gmi_deadline deadline) {
  bool blocks = !gmi_deadline_is_now(deadline);
  for (bool looked = false;; looked = true) {
    atomic_store(&waiter->state, kBusy);
    gmi_deliver_events(client);
    if (ready(waiter->subject)) return GM_OK;
    if (client->ended.status != GM_OK) return gmi_client_check(client);
    if (blocks && (waiter->interrupted || gmi_take_interrupt(client)))
      return gmi_fail_interrupted();
    bool passed = gmi_deadline_left_ms(deadline) == 0;
    if (passed && (looked || client->reading)) return GM_AGAIN;
    gm_status status;
    if (client->reading) {
      atomic_store(&waiter->state, kAsleep);
      status = sleep_until_woken(client, waiter, deadline);
    } else {
      status = read_alone(client, deadline);
    }
    if (status != GM_OK) return status;
  }
}

static gm_status wait_as(gm_client* client, gmi_waiter* waiter, bool (*ready)(const void*),
                         gmi_deadline deadline) {
  link_waiter(client, waiter);
  gm_status status = wait_linked(client, waiter, ready, deadline);
  unlink_waiter(client, waiter);
  gmi_hand_over(client);
  gmi_client_close_link(client);
  return status;
}

gm_status gmi_wait(gm_client* client, bool (*ready)(const void* subject), const void* subject,
                   gmi_deadline deadline) {
  if (ready(subject)) return GM_OK;
  gmi_waiter waiter = {.subject = subject, .state = kBusy};
  return wait_as(client, &waiter, ready, deadline);
}

typedef struct moment {
  const gm_client* client;
  uint64_t happened;
} moment;

static bool passed_by(const void* subject) {
  const moment* since = subject;
  return since->client->happened != since->happened;
}

gm_status gmi_wait_any(gm_client* client, gmi_deadline deadline) {
  moment since = {client, client->happened};
  gmi_waiter waiter = {.subject = &since, .state = kBusy, .any = true};
  return wait_as(client, &waiter, passed_by, deadline);
}
