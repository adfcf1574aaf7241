/*
 * The load generator: many connections to one Unix socket in one epoll loop, each with one request under
 * way, so that a server is measured and not its clients' libraries.
 *
 * bench_load redis SOCKET CLIENTS SECONDS             PING and its answer
 * bench_load gpumodeld SOCKET CLIENTS SECONDS MODEL   lease.acquire and lease.release of a resident model
 *     Prints {"requests_per_s": N}: answers in SECONDS (1 to 600), after a warm-up of half a second. A wrong
 *     answer ends it with status 1.
 * bench_load idle SOCKET CLIENTS
 *     Connects to gpumodeld, says hello on every connection, prints {"connected": N} when all are answered, and
 *     does nothing until standard input ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ping_pong.h"

enum { kBufferBytes = 4096, kMostClients = 20000 };
static const double kWarmUpSeconds = 0.5;

typedef struct connection {
  int fd;
  size_t have; /* received and not taken */
  bool holds;  /* gpumodeld: a lease     */
  uint64_t lease;
  uint64_t epoch;
  char in[kBufferBytes];
} connection;

/* What is spoken. A request is at most kBufferBytes long. */
typedef struct protocol {
  size_t (*request)(connection *at, char *out);
  /* Takes one whole answer from `in`: its length, 0 where it goes on, -1 where it is wrong. */
  ssize_t (*answer)(connection *at);
} protocol;

static const char *model; /* gpumodeld's */

static void fail(const char *what) {
  fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ---- redis: RESP's inline command and simple string ---- */

static size_t redis_request(connection *at, char *out) {
  (void)at;
  memcpy(out, "PING\r\n", 6);
  return 6;
}

static ssize_t redis_answer(connection *at) {
  static const char kPong[] = "+PONG\r\n";
  const size_t size = sizeof kPong - 1;
  if (memcmp(at->in, kPong, at->have < size ? at->have : size) != 0) return -1;
  return at->have < size ? 0 : (ssize_t)size;
}

/* ---- gpumodeld: daemon/PROTOCOL.md ---- */

static void pack_text(msgpack_packer *packer, const char *text) {
  msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void begin(msgpack_packer *packer, const char *method, size_t fields) {
  msgpack_pack_array(packer, 4);
  msgpack_pack_int(packer, 0);
  msgpack_pack_int(packer, 1);
  pack_text(packer, method);
  msgpack_pack_array(packer, 1);
  msgpack_pack_map(packer, fields);
}

static size_t finish(msgpack_sbuffer *buffer, char *out) {
  const size_t size = buffer->size;
  if (size > kBufferBytes) {
    errno = EMSGSIZE;
    fail("a request");
  }
  memcpy(out, buffer->data, size);
  msgpack_sbuffer_destroy(buffer);
  return size;
}

static size_t lease_request(connection *at, char *out) {
  msgpack_sbuffer buffer;
  msgpack_packer packer;
  msgpack_sbuffer_init(&buffer);
  msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
  if (at->holds) {
    begin(&packer, "lease.release", 2);
    pack_text(&packer, "lease");
    msgpack_pack_uint64(&packer, at->lease);
    pack_text(&packer, "epoch");
    msgpack_pack_uint64(&packer, at->epoch);
  } else {
    begin(&packer, "lease.acquire", 1);
    pack_text(&packer, "models");
    msgpack_pack_array(&packer, 1);
    pack_text(&packer, model);
  }
  return finish(&buffer, out);
}

static size_t hello_request(connection *at, char *out) {
  (void)at;
  msgpack_sbuffer buffer;
  msgpack_packer packer;
  msgpack_sbuffer_init(&buffer);
  msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
  begin(&packer, "hello", 3);
  pack_text(&packer, "protocol");
  msgpack_pack_int(&packer, 1);
  pack_text(&packer, "client");
  pack_text(&packer, "bench_load");
  pack_text(&packer, "app");
  pack_text(&packer, "idle");
  return finish(&buffer, out);
}

static const msgpack_object *find(const msgpack_object *map, const char *key) {
  for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; ++i) {
    const msgpack_object_kv *pair = &map->via.map.ptr[i];
    if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == strlen(key) &&
        memcmp(pair->key.via.str.ptr, key, strlen(key)) == 0)
      return &pair->val;
  }
  return NULL;
}

/* The lease of an acquire's result. */
static bool read_grant(connection *at, const msgpack_object *result) {
  const msgpack_object *leases = find(result, "leases");
  if (leases == NULL || leases->type != MSGPACK_OBJECT_ARRAY || leases->via.array.size != 1) return false;
  const msgpack_object *lease = find(&leases->via.array.ptr[0], "lease");
  const msgpack_object *epoch = find(&leases->via.array.ptr[0], "epoch");
  if (lease == NULL || epoch == NULL || lease->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
      epoch->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
    return false;
  at->lease = lease->via.u64;
  at->epoch = epoch->via.u64;
  return true;
}

/* A response without an error; `acquired`: its result grants a lease. */
static ssize_t rpc_answer(connection *at, bool acquired) {
  msgpack_unpacked unpacked;
  size_t used = 0;
  msgpack_unpacked_init(&unpacked);
  const msgpack_unpack_return got = msgpack_unpack_next(&unpacked, at->in, at->have, &used);
  ssize_t taken = got == MSGPACK_UNPACK_CONTINUE ? 0 : -1;
  const msgpack_object_array *response = &unpacked.data.via.array;
  if (got == MSGPACK_UNPACK_SUCCESS && unpacked.data.type == MSGPACK_OBJECT_ARRAY && response->size == 4 &&
      response->ptr[2].type == MSGPACK_OBJECT_NIL && (!acquired || read_grant(at, &response->ptr[3])))
    taken = (ssize_t)used;
  msgpack_unpacked_destroy(&unpacked);
  return taken;
}

static ssize_t lease_answer(connection *at) {
  const ssize_t taken = rpc_answer(at, !at->holds);
  if (taken > 0) at->holds = !at->holds;
  return taken;
}

static ssize_t hello_answer(connection *at) { return rpc_answer(at, false); }

/* ---- the loop ---- */

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(path);
  }
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail(path);
  return fd;
}

static void ask(const protocol *spoken, connection *at) {
  char out[kBufferBytes];
  const size_t size = spoken->request(at, out);
  if (write(at->fd, out, size) != (ssize_t)size) fail("write");
}

/* Reads what has come; true: it completes an answer. */
static bool answered(const protocol *spoken, connection *at) {
  const ssize_t size = read(at->fd, at->in + at->have, kBufferBytes - at->have);
  if (size <= 0) fail("the server closed a connection");
  at->have += (size_t)size;
  const ssize_t taken = spoken->answer(at);
  if (taken < 0) {
    errno = EPROTO;
    fail("an answer");
  }
  if (taken == 0 && at->have == kBufferBytes) {
    errno = EMSGSIZE;
    fail("an answer");
  }
  at->have -= (size_t)taken;
  memmove(at->in, at->in + taken, at->have);
  return taken > 0;
}

static connection *connect_all(int epoll, const char *path, size_t count) {
  connection *all = calloc(count, sizeof *all);
  if (all == NULL) fail("memory");
  for (size_t i = 0; i < count; ++i) {
    all[i].fd = connect_to(path);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) != 0) fail("epoll");
  }
  return all;
}

/* Answers until `until` (CLOCK_MONOTONIC), each followed by the next request. */
static size_t run_until(int epoll, const protocol *spoken, double until) {
  size_t count = 0;
  while (now_s() < until) {
    struct epoll_event events[64];
    const int ready = epoll_wait(epoll, events, 64, 100);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; ++i) {
      connection *at = events[i].data.ptr;
      if (!answered(spoken, at)) continue;
      ++count;
      ask(spoken, at);
    }
  }
  return count;
}

static int run_load(const protocol *spoken, const char *path, size_t clients, double seconds) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll");
  connection *all = connect_all(epoll, path, clients);
  for (size_t i = 0; i < clients; ++i) ask(spoken, &all[i]);
  run_until(epoll, spoken, now_s() + kWarmUpSeconds);
  const double start = now_s();
  const size_t count = run_until(epoll, spoken, start + seconds);
  printf("{\"requests_per_s\": %.1f}\n", (double)count / (now_s() - start));
  free(all);
  return 0;
}

static int run_idle(const char *path, size_t clients) {
  static const protocol kHello = {hello_request, hello_answer};
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll");
  connection *all = connect_all(epoll, path, clients);
  for (size_t i = 0; i < clients; ++i) {
    ask(&kHello, &all[i]);
    while (!answered(&kHello, &all[i])) continue;
  }
  printf("{\"connected\": %zu}\n", clients);
  fflush(stdout);
  while (getchar() != EOF) continue;
  free(all);
  return 0;
}

int main(int argc, char **argv) {
  static const protocol kRedis = {redis_request, redis_answer}, kLeases = {lease_request, lease_answer};
  const char *what = argc > 1 ? argv[1] : "";
  const bool redis = argc == 5 && strcmp(what, "redis") == 0;
  const bool leases = argc == 6 && strcmp(what, "gpumodeld") == 0;
  const bool idle = argc == 4 && strcmp(what, "idle") == 0;
  const long clients = argc > 3 ? atol(argv[3]) : 0;
  const double seconds = redis || leases ? atof(argv[4]) : 1;
  if ((!redis && !leases && !idle) || clients < 1 || clients > kMostClients || !(seconds >= 1 && seconds <= 600)) {
    fputs("usage: bench_load redis SOCKET CLIENTS SECONDS\n"
          "       bench_load gpumodeld SOCKET CLIENTS SECONDS MODEL\n"
          "       bench_load idle SOCKET CLIENTS\n",
          stderr);
    return 2;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (idle) return run_idle(argv[2], (size_t)clients);
  if (leases) model = argv[5];
  return run_load(redis ? &kRedis : &kLeases, argv[2], (size_t)clients, seconds);
}
