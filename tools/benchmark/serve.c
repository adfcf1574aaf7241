/*
 * bench_serve MODEL CLIENTS REQUESTS PROMPT OUTPUT
 *     So many programs at once, each a thread with its own connection and lease, each with REQUESTS generations in a
 *     row of OUTPUT tokens behind a prompt of PROMPT tokens; no two prompts begin alike. Prints
 *     {"seconds", "output_tokens_per_s", "request_ms": [...]}, after one generation each to warm up.
 */
#define _POSIX_C_SOURCE 200809L
#include <gpumodel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "ping_pong.h"

enum { kMostClients = 256, kMostRequests = 1000, kMostPrompt = 4096 };

static const char *model;
static int clients, requests, prompt_tokens, output_tokens;
static double request_s[kMostClients][kMostRequests];
static pthread_barrier_t ready;

static void fail(const char *what) {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  fprintf(stderr, "bench_serve: %s: %s\n", what, error.message);
  exit(1);
}

static void generate(gm_lease *lease, int client, int number) {
  int32_t tokens[kMostPrompt];
  /* The first two tell the prompts apart. */
  tokens[0] = 1000 + client;
  for (int i = 1; i < prompt_tokens; ++i) tokens[i] = 2000 + (number * 31 + client * 7 + i * 13) % 20000;
  gm_request request;
  gm_request_init(&request, sizeof request);
  request.tokens = tokens;
  request.token_count = (size_t)prompt_tokens;
  request.max_tokens = output_tokens;
  request.temperature = 0;
  request.repetition_penalty = 1;
  request.ignore_eos = 1;
  gm_stream *stream = NULL;
  gm_chunk chunk = GM_CHUNK_INIT;
  gm_result result = GM_RESULT_INIT;
  if (gm_generate(lease, &request, &stream) != GM_OK) fail("generate");
  gm_status status;
  while ((status = gm_stream_next(stream, &chunk, GM_WAIT_FOREVER)) == GM_OK) continue;
  if (status != GM_END || gm_stream_result(stream, &result) != GM_OK) fail("generate");
  if (result.output_tokens != (uint32_t)output_tokens) fail("an answer of another length");
  gm_stream_free(stream);
}

static void *run(void *argument) {
  const int self = (int)(long)argument;
  gm_client *client = NULL;
  gm_lease *lease = NULL;
  if (gm_client_open(NULL, &client) != GM_OK) fail("connect");
  if (gm_lease_acquire(client, model, NULL, &lease) != GM_OK) fail("acquire");
  generate(lease, self, -1);
  pthread_barrier_wait(&ready);
  pthread_barrier_wait(&ready);
  for (int i = 0; i < requests; ++i) {
    const double start = now_s();
    generate(lease, self, i);
    request_s[self][i] = now_s() - start;
  }
  pthread_barrier_wait(&ready);
  if (gm_lease_release(lease, GM_WAIT_FOREVER, NULL) != GM_OK) fail("release");
  gm_lease_free(lease);
  gm_client_close(client);
  return NULL;
}

static int number(const char *word, int most) {
  const int value = atoi(word);
  if (value < 1 || value > most) {
    fprintf(stderr, "bench_serve: %s is not 1 to %d\n", word, most);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fputs("usage: bench_serve MODEL CLIENTS REQUESTS PROMPT OUTPUT\n", stderr);
    return 2;
  }
  model = argv[1];
  clients = number(argv[2], kMostClients);
  requests = number(argv[3], kMostRequests);
  prompt_tokens = number(argv[4], kMostPrompt);
  output_tokens = number(argv[5], 1 << 20);
  pthread_barrier_init(&ready, NULL, (unsigned)clients + 1);
  static pthread_t threads[kMostClients];
  for (long i = 0; i < clients; ++i)
    if (pthread_create(&threads[i], NULL, run, (void *)i) != 0) return 1;
  pthread_barrier_wait(&ready);
  const double start = now_s();
  pthread_barrier_wait(&ready);
  pthread_barrier_wait(&ready);
  const double seconds = now_s() - start;
  for (int i = 0; i < clients; ++i) pthread_join(threads[i], NULL);
  printf("{\"seconds\": %.4f, \"output_tokens_per_s\": %.1f, \"request_ms\": [", seconds,
         (double)clients * requests * output_tokens / seconds);
  for (int i = 0; i < clients; ++i)
    for (int k = 0; k < requests; ++k) printf("%s%.3f", i + k > 0 ? ", " : "", 1e3 * request_s[i][k]);
  printf("]}\n");
  return 0;
}
