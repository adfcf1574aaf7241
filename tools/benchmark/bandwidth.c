/*
 * bench_bandwidth THREADS: how fast all of them together read memory that no cache holds: the best of several
 * passes, {"bytes_per_s": N}. Each reads four runs at once, as a product of a matrix does.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ping_pong.h"

enum { kMostThreads = 256, kPasses = 12, kRuns = 4 };
static const size_t kBytesPerThread = (size_t)128 << 20;

typedef struct reader {
  pthread_t thread;
  const uint64_t *words;
  uint64_t sum; /* so that the reads are not in vain */
} reader;

static void *read_all(void *argument) {
  reader *self = argument;
  const size_t run = kBytesPerThread / sizeof(uint64_t) / kRuns;
  uint64_t sums[8] = {0};
  for (size_t i = 0; i < run; i += 8)
    for (size_t k = 0; k < kRuns; ++k)
      for (size_t lane = 0; lane < 8; ++lane) sums[lane] += self->words[k * run + i + lane];
  for (size_t lane = 0; lane < 8; ++lane) self->sum += sums[lane];
  return NULL;
}

static double pass(reader *readers, int threads) {
  const double start = now_s();
  for (int i = 1; i < threads; ++i)
    if (pthread_create(&readers[i].thread, NULL, read_all, &readers[i]) != 0) exit(1);
  read_all(&readers[0]);
  for (int i = 1; i < threads; ++i) pthread_join(readers[i].thread, NULL);
  return now_s() - start;
}

int main(int argc, char **argv) {
  static reader readers[kMostThreads];
  const int threads = argc == 2 ? atoi(argv[1]) : 0;
  if (threads < 1 || threads > kMostThreads) {
    fputs("usage: bench_bandwidth THREADS (1 to 256)\n", stderr);
    return 2;
  }
  const size_t bytes = kBytesPerThread * (size_t)threads;
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("bench_bandwidth");
    return 1;
  }
  madvise(memory, bytes, MADV_HUGEPAGE);
  memset(memory, 1, bytes);
  for (int i = 0; i < threads; ++i)
    readers[i].words = (const uint64_t *)((char *)memory + kBytesPerThread * (size_t)i);
  double best = pass(readers, threads);
  for (int i = 1; i < kPasses; ++i) {
    const double taken = pass(readers, threads);
    if (taken < best) best = taken;
  }
  printf("{\"bytes_per_s\": %.0f}\n", (double)bytes / best);
  return readers[0].sum == 0;
}
