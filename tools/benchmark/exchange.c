/*
 * bench_exchange MODEL ROUNDS
 *     acquire and release of a resident model through libgpumodel beside a bare ping-pong, in alternating
 *     rounds of 2,000. Prints medians in microseconds as one JSON object. The model must stay loaded
 *     between leases (auto_unload = false).
 * bench_exchange --once MODEL
 *     one acquire and one release, whatever they cause: {"acquire_ms", "release_ms"}.
 */
#define _POSIX_C_SOURCE 200809L
#include <gpumodel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ping_pong.h"

enum { kPerRound = 2000, kMostRounds = 100 };

static void fail(const char *what) {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  fprintf(stderr, "bench_exchange: %s: %s\n", what, error.message);
  exit(1);
}

static int by_value(const void *left, const void *right) {
  const double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double median_us(double *seconds, size_t count) {
  qsort(seconds, count, sizeof *seconds, by_value);
  return 1e6 * seconds[count / 2];
}

static void exchange(gm_client *client, const char *model, double *acquire_s, double *release_s) {
  const double start = now_s();
  gm_lease *lease = NULL;
  if (gm_lease_acquire(client, model, NULL, &lease) != GM_OK) fail("acquire");
  const double granted = now_s();
  if (gm_lease_release(lease, GM_WAIT_FOREVER, NULL) != GM_OK) fail("release");
  *release_s = now_s() - granted;
  *acquire_s = granted - start;
  gm_lease_free(lease);
}

static int alternate(gm_client *client, const char *model, int rounds) {
  static double bare_s[kPerRound], acquire_s[kPerRound], release_s[kPerRound];
  double bare_us[kMostRounds], acquire_us[kMostRounds], release_us[kMostRounds];
  exchange(client, model, &acquire_s[0], &release_s[0]); /* loads it */
  for (int round = 0; round < rounds; ++round) {
    if (ping_pong(bare_s, kPerRound) != 0) {
      perror("bench_exchange: ping-pong");
      return 1;
    }
    for (int i = 0; i < kPerRound; ++i) exchange(client, model, &acquire_s[i], &release_s[i]);
    bare_us[round] = median_us(bare_s, kPerRound);
    acquire_us[round] = median_us(acquire_s, kPerRound);
    release_us[round] = median_us(release_s, kPerRound);
  }
  const size_t middle = (size_t)rounds / 2;
  qsort(bare_us, (size_t)rounds, sizeof(double), by_value);
  qsort(acquire_us, (size_t)rounds, sizeof(double), by_value);
  qsort(release_us, (size_t)rounds, sizeof(double), by_value);
  printf("{\"ping_pong_us\": %.2f, \"acquire_us\": %.2f, \"release_us\": %.2f}\n", bare_us[middle],
         acquire_us[middle], release_us[middle]);
  return 0;
}

static int once(gm_client *client, const char *model) {
  double acquire_s = 0, release_s = 0;
  exchange(client, model, &acquire_s, &release_s);
  printf("{\"acquire_ms\": %.2f, \"release_ms\": %.2f}\n", 1e3 * acquire_s, 1e3 * release_s);
  return 0;
}

int main(int argc, char **argv) {
  const int is_once = argc == 3 && strcmp(argv[1], "--once") == 0;
  const int rounds = argc == 3 && !is_once ? atoi(argv[2]) : 0;
  if (!is_once && (rounds < 1 || rounds > kMostRounds)) {
    fputs("usage: bench_exchange MODEL ROUNDS (1 to 100)\n       bench_exchange --once MODEL\n", stderr);
    return 2;
  }
  gm_client *client = NULL;
  if (gm_client_open(NULL, &client) != GM_OK) fail("connect");
  const int status = is_once ? once(client, argv[2]) : alternate(client, argv[1], rounds);
  gm_client_close(client);
  return status;
}
