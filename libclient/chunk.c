#include "chunk.h"

#include <string.h>

/* Reads the array at `key` of `count` numbers into the message's memory. */
typedef struct numbers {
  const char* key;
  bool floats;
  size_t count;
} numbers;

static gm_status read_numbers(gmi_message* message, gmi_reader* params, numbers wanted, void** out,
                              const char** fault) {
  const msgpack_object_array* array = gmi_read_array(params, wanted.key, /*needed=*/true);
  if (array == NULL || array->size != wanted.count) {
    *fault = wanted.key;
    return GM_E_PROTOCOL;
  }
  void* values = msgpack_zone_malloc(&message->zone, wanted.count * 4 + 4);
  if (values == NULL) return GM_E_NOMEM;
  bool read = wanted.floats ? gmi_as_floats(array, values) : gmi_as_tokens(array, values);
  if (!read) {
    *fault = wanted.key;
    return GM_E_PROTOCOL;
  }
  *out = values;
  return GM_OK;
}

static gm_status read_arrays(gmi_message* message, gmi_reader* params, bool logprobs, uint32_t top,
                             gm_chunk* content, const char** fault) {
  const msgpack_object_array* tokens = gmi_read_array(params, "tokens", /*needed=*/false);
  if (params->fault != NULL) {
    *fault = params->fault;
    return GM_E_PROTOCOL;
  }
  size_t count = tokens != NULL ? tokens->size : 0;
  void *ids = NULL, *own = NULL, *top_ids = NULL, *top_values = NULL;
  gm_status status = GM_OK;
  if (count > 0) {
    status = read_numbers(message, params, (numbers){"tokens", false, count}, &ids, fault);
  }
  if (status == GM_OK && logprobs && count > 0) {
    status = read_numbers(message, params, (numbers){"logprobs", true, count}, &own, fault);
  }
  if (status == GM_OK && top > 0 && count > 0) {
    status =
        read_numbers(message, params, (numbers){"top_tokens", false, count * top}, &top_ids, fault);
  }
  if (status == GM_OK && top > 0 && count > 0) {
    status = read_numbers(message, params, (numbers){"top_logprobs", true, count * top},
                          &top_values, fault);
  }
  content->token_count = count;
  content->tokens = ids;
  content->logprobs = own;
  content->top_tokens = top_ids;
  content->top_logprobs = top_values;
  return status;
}

gm_status gmi_chunk_read(gmi_message* message, bool logprobs, uint32_t top, gmi_chunk** out,
                         const char** fault) {
  gmi_chunk* chunk = msgpack_zone_malloc(&message->zone, sizeof *chunk);
  if (chunk == NULL) return GM_E_NOMEM;
  memset(chunk, 0, sizeof *chunk);
  chunk->message = message;
  chunk->content.struct_size = sizeof chunk->content;
  gmi_reader params = gmi_read_map(message->params, "params");
  chunk->seq = gmi_read_u64(&params, "seq", UINT64_MAX, /*needed=*/true);
  gmi_text text = gmi_read_text(&params, "text", /*needed=*/false);
  chunk->content.text = text.data;
  chunk->content.text_len = text.size;
  gm_status status = read_arrays(message, &params, logprobs, top, &chunk->content, fault);
  if (status == GM_OK && params.fault != NULL) {
    *fault = params.fault;
    status = GM_E_PROTOCOL;
  }
  if (status == GM_OK) *out = chunk;
  return status;
}

void gmi_chunk_free(gmi_chunk* chunk) {
  if (chunk != NULL) gmi_message_free(chunk->message);
}
