/*
 * bench_switch MODEL MODEL ROUNDS
 *     One program that uses two models in turn, which do not fit together: from the call that acquires to the
 *     first token of a prompt of 16 tokens, and the first token alone where the model is there already.
 *     {"switch_ms": [...], "first_token_ms": [...]}, ROUNDS (1 to 100) values each, after two switches to warm up.
 * bench_switch --floor BYTES ROUNDS
 *     What the kernel and memcpy take for as many bytes: {"copy_ms": [...], "unmap_ms": [...]}: a copy into fresh
 *     memory, and the unmapping of that memory.
 */
#define _GNU_SOURCE
#include <gpumodel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ping_pong.h"

enum { kPromptTokens = 16, kMostRounds = 100, kWarmUp = 2 };

static void fail(const char *what) {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  fprintf(stderr, "bench_switch: %s: %s\n", what, error.message);
  exit(1);
}

/* Runs one greedy generation of one token. */
static void first_token(gm_lease *lease) {
  /* Another prompt each time, so that no cache of prefixes has it. */
  static int32_t first = 1000;
  int32_t tokens[kPromptTokens];
  for (int i = 0; i < kPromptTokens; ++i) tokens[i] = first + i;
  first += kPromptTokens;
  gm_request request;
  gm_request_init(&request, sizeof request);
  request.tokens = tokens;
  request.token_count = kPromptTokens;
  request.max_tokens = 1;
  request.temperature = 0;
  request.ignore_eos = 1;
  gm_stream *stream = NULL;
  gm_chunk chunk = GM_CHUNK_INIT;
  if (gm_generate(lease, &request, &stream) != GM_OK) fail("generate");
  gm_status status;
  while ((status = gm_stream_next(stream, &chunk, GM_WAIT_FOREVER)) == GM_OK) continue;
  if (status != GM_END) fail("generate");
  gm_stream_free(stream);
}

static void use(gm_client *client, const char *model, double *switch_s, double *first_token_s) {
  gm_lease *lease = NULL;
  const double start = now_s();
  if (gm_lease_acquire(client, model, NULL, &lease) != GM_OK) fail("acquire");
  first_token(lease);
  const double there = now_s();
  first_token(lease);
  *first_token_s = now_s() - there;
  *switch_s = there - start;
  if (gm_lease_release(lease, GM_WAIT_FOREVER, NULL) != GM_OK) fail("release");
  gm_lease_free(lease);
}

static void print_list(const char *name, const double *seconds, int count) {
  printf("\"%s\": [", name);
  for (int i = 0; i < count; ++i) printf("%s%.3f", i > 0 ? ", " : "", 1e3 * seconds[i]);
  printf("]");
}

static void print_both(const char *one, const double *one_s, const char *two, const double *two_s, int count) {
  printf("{");
  print_list(one, one_s, count);
  printf(", ");
  print_list(two, two_s, count);
  printf("}\n");
}

static int run_switches(char **models, int rounds) {
  double switch_s[kWarmUp + kMostRounds], first_token_s[kWarmUp + kMostRounds];
  gm_client *client = NULL;
  if (gm_client_open(NULL, &client) != GM_OK) fail("connect");
  for (int i = 0; i < kWarmUp + rounds; ++i) use(client, models[i % 2], &switch_s[i], &first_token_s[i]);
  gm_client_close(client);
  print_both("switch_ms", switch_s + kWarmUp, "first_token_ms", first_token_s + kWarmUp, rounds);
  return 0;
}

static void *fresh(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) return memory;
  perror("bench_switch: mmap");
  exit(1);
}

static int run_floor(size_t bytes, int rounds) {
  double copy_s[kMostRounds], unmap_s[kMostRounds];
  void *source = fresh(bytes);
  memset(source, 1, bytes);
  for (int i = 0; i < rounds; ++i) {
    const double start = now_s();
    void *copy = fresh(bytes);
    memcpy(copy, source, bytes);
    const double copied = now_s();
    munmap(copy, bytes);
    unmap_s[i] = now_s() - copied;
    copy_s[i] = copied - start;
  }
  munmap(source, bytes);
  print_both("copy_ms", copy_s, "unmap_ms", unmap_s, rounds);
  return 0;
}

int main(int argc, char **argv) {
  const int rounds = argc == 4 ? atoi(argv[3]) : 0;
  const int is_floor = argc == 4 && strcmp(argv[1], "--floor") == 0;
  const long long bytes = is_floor ? atoll(argv[2]) : 1;
  if (rounds < 1 || rounds > kMostRounds || bytes < 1) {
    fputs("usage: bench_switch MODEL MODEL ROUNDS (1 to 100)\n       bench_switch --floor BYTES ROUNDS\n", stderr);
    return 2;
  }
  return is_floor ? run_floor((size_t)bytes, rounds) : run_switches(argv + 1, rounds);
}
