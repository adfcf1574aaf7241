#include "result.h"

const gmi_layout gmi_result_layout = {"gm_result", sizeof(gm_result), sizeof(gm_result)};

const char* gmi_result_read(const msgpack_object* result, gm_result* out) {
  static const char* const kFinishes[] = {"", "stop", "length", "cancelled", "deadline", NULL};
  *out = (gm_result)GM_RESULT_INIT;
  gmi_reader reader = gmi_read_map(result, "result");
  out->finish = gmi_read_word(&reader, "finish", kFinishes);
  gmi_reader usage = gmi_read_inner(&reader, "usage", /*needed=*/false);
  out->prompt_tokens = (uint32_t)gmi_read_u64(&usage, "prompt_tokens", UINT32_MAX, false);
  out->cached_tokens = (uint32_t)gmi_read_u64(&usage, "cached_tokens", UINT32_MAX, false);
  out->output_tokens = (uint32_t)gmi_read_u64(&usage, "output_tokens", UINT32_MAX, false);
  out->queue_us = gmi_read_u64(&usage, "queue_us", UINT64_MAX, false);
  out->first_token_us = gmi_read_u64(&usage, "first_token_us", UINT64_MAX, false);
  out->total_us = gmi_read_u64(&usage, "total_us", UINT64_MAX, false);
  out->seed = (int64_t)gmi_read_u64(&usage, "seed", INT64_MAX, false);
  if (out->finish == 0 && reader.fault == NULL) return "finish";
  return reader.fault != NULL ? reader.fault : usage.fault;
}
