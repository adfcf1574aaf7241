#include "pending.h"

#include <stddef.h>

static gmi_pending** bucket(gmi_pending_table* table, uint32_t id) {
  return &table->buckets[id % GMI_PENDING_BUCKETS];
}

void gmi_pending_add(gmi_pending_table* table, gmi_pending* pending) {
  gmi_pending** head = bucket(table, pending->id);
  pending->next = *head;
  pending->open = true;
  *head = pending;
}

void gmi_pending_remove(gmi_pending_table* table, gmi_pending* pending) {
  gmi_pending** at = bucket(table, pending->id);
  while (*at != NULL && *at != pending) at = &(*at)->next;
  if (*at == pending) *at = pending->next;
  pending->next = NULL;
  pending->open = false;
}

gmi_pending* gmi_pending_find(const gmi_pending_table* table, uint32_t id) {
  gmi_pending* at = table->buckets[id % GMI_PENDING_BUCKETS];
  while (at != NULL && at->id != id) at = at->next;
  return at;
}

gmi_pending* gmi_pending_any(const gmi_pending_table* table) {
  for (int i = 0; i < GMI_PENDING_BUCKETS; ++i) {
    if (table->buckets[i] != NULL) return table->buckets[i];
  }
  return NULL;
}

bool gmi_pending_any_of(const gmi_pending_table* table, uint64_t lease, uint64_t epoch) {
  for (int i = 0; i < GMI_PENDING_BUCKETS; ++i) {
    for (const gmi_pending* at = table->buckets[i]; at != NULL; at = at->next) {
      if (at->generation && at->lease == lease && at->epoch == epoch) return true;
    }
  }
  return false;
}
