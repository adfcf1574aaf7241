/* The bytes of one connection: a non-blocking socket, an eventfd that wakes whoever polls, an epoll
 * fd over both for programs with their own loop, and what could not be sent or dispatched yet.
 *
 * Sending is done by any thread under the client's lock. Receiving (`in`, gmi_link_receive) belongs
 * to the one thread that reads, lock or not. */
#ifndef GPUMODEL_LIBCLIENT_LINK_H
#define GPUMODEL_LIBCLIENT_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "buffer.h"
#include "gpumodel.h"
#include "scan.h"

typedef struct gmi_link {
  int socket_fd;
  int wake_fd;
  int epoll_fd;
  gmi_buffer out;   /* accepted but not sent; empty while the daemon keeps up */
  bool wants_write; /* the epoll fd waits for room as well                    */
  gmi_buffer in;    /* received; the scan stands within its first message     */
  gmi_scan scan;
} gmi_link;

/* Connects within timeout_ms and makes the fds; on failure nothing is left open. With
 * `return_on_signal` a signal ends the wait with GM_E_INTERRUPTED. */
gm_status gmi_link_open(gmi_link* link, const char* path, int32_t timeout_ms,
                        bool return_on_signal);
void gmi_link_close(gmi_link* link);
/* Ends the traffic in both directions; the fds stay valid, and the epoll fd goes quiet. */
void gmi_link_shutdown(gmi_link* link);

/* Sends, or keeps what the socket does not take now. All or nothing: GM_E_NOMEM and GM_E_BUSY (the
 * daemon does not read) sent nothing. An ended connection is noticed by the reader, not here. */
gm_status gmi_link_send(gmi_link* link, const char* data, size_t size);
/* Sends what is kept, as far as the socket takes it. */
void gmi_link_flush(gmi_link* link);

/* Makes room for the next receive; false: out of memory. */
bool gmi_link_make_room(gmi_link* link);
/* Bytes received; 0: the daemon closed; below 0: minus the errno (EAGAIN: nothing there). */
ssize_t gmi_link_receive(gmi_link* link);
/* Gives memory back that only a large message needed, once nothing is left in it. */
void gmi_link_trim_in(gmi_link* link);

void gmi_link_wake(const gmi_link* link); /* async-signal-safe; leaves errno */
void gmi_link_drain_wake(const gmi_link* link);

#endif
