/*
 * bench_tokenize MODEL FILE ROUNDS
 *     a file of UTF-8 text through gm_tokenize, ROUNDS times after a warm-up. Prints
 *     {"tokens", "seconds": [each round's]}.
 */
#define _POSIX_C_SOURCE 200809L
#include <gpumodel.h>
#include <stdio.h>
#include <stdlib.h>

#include "ping_pong.h"

static void fail(const char *what) {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  fprintf(stderr, "bench_tokenize: %s: %s\n", what, error.message);
  exit(1);
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *size = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*size + 1);
  if (text == NULL || fread(text, 1, *size, file) != *size) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return text;
}

int main(int argc, char **argv) {
  const int rounds = argc == 4 ? atoi(argv[3]) : 0;
  if (rounds < 1) {
    fputs("usage: bench_tokenize MODEL FILE ROUNDS\n", stderr);
    return 2;
  }
  size_t size = 0, tokens = 0;
  char *text = read_file(argv[2], &size);
  gm_client *client = NULL;
  gm_lease *lease = NULL;
  if (gm_client_open(NULL, &client) != GM_OK) fail("connect");
  if (gm_lease_acquire(client, argv[1], NULL, &lease) != GM_OK) fail("acquire");
  printf("{\"seconds\": [");
  for (int round = 0; round <= rounds; ++round) {
    int32_t *ids = NULL;
    const double start = now_s();
    if (gm_tokenize(lease, text, size, GM_WAIT_FOREVER, &ids, &tokens) != GM_OK) fail("tokenize");
    const double took = now_s() - start;
    gm_free(ids);
    if (round > 0) printf("%s%.6f", round > 1 ? ", " : "", took);
  }
  printf("], \"tokens\": %zu}\n", tokens);
  gm_lease_free(lease);
  gm_client_close(client);
  free(text);
  return 0;
}
