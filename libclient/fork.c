#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_WIPEONFORK */
#include "fork.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void gmi_fork_guard_init(gmi_fork_guard* guard) {
  guard->pid = getpid();
  guard->page = NULL;
  void* page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (madvise(page, page_bytes(), MADV_WIPEONFORK) != 0) {
    munmap(page, page_bytes());
    return;
  }
  guard->page = page;
  *guard->page = 1;
}

void gmi_fork_guard_free(gmi_fork_guard* guard) {
  if (guard->page != NULL) munmap((void*)guard->page, page_bytes());
  guard->page = NULL;
}

bool gmi_fork_guard_in_child(const gmi_fork_guard* guard) {
  return guard->page != NULL ? *guard->page == 0 : guard->pid != getpid();
}
