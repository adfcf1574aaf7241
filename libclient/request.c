#define _POSIX_C_SOURCE 200809L /* strnlen */
#include "request.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "features.h"
#include "structs.h"

enum { kMaxStops = 16, kMaxStopBytes = 256, kMaxBiases = 1024, kMaxTopLogprobs = 20 };

static const gmi_layout kRequestLayout = {"gm_request", sizeof(gm_request), sizeof(gm_request)};

static const gm_request kDefaults = {
    .struct_size = sizeof(gm_request),
    .max_tokens = -1,
    .temperature = -1,
    .top_p = -1,
    .top_k = -1,
    .min_p = -1,
    .repetition_penalty = -1,
    .seed = -1,
};

void gm_request_init(gm_request* request, size_t struct_size) {
  if (request == NULL || struct_size < sizeof struct_size) return;
  size_t known = struct_size < sizeof kDefaults ? struct_size : sizeof kDefaults;
  memset(request, 0, struct_size);
  memcpy(request, &kDefaults, known);
  request->struct_size = struct_size;
}

gm_status gmi_request_read(const gm_request* given, gm_request* out) {
  *out = kDefaults;
  return given != NULL ? gmi_struct_read(&kRequestLayout, given, out) : GM_OK;
}

static gm_status check_input(const gm_request* r) {
  int kinds = (r->prompt != NULL) + (r->messages != NULL) + (r->messages_json != NULL) +
              (r->tokens != NULL);
  if (kinds != 1) {
    return gmi_fail(
        GM_E_INVALID,
        "exactly one of prompt, messages, messages_json and tokens is set, not %d of them", kinds);
  }
  if (r->messages != NULL && r->message_count == 0) {
    return gmi_fail(GM_E_INVALID, "message_count is 0; give at least one message");
  }
  for (size_t i = 0; r->messages != NULL && i < r->message_count; ++i) {
    if (r->messages[i].role != NULL && r->messages[i].content != NULL) continue;
    return gmi_fail(GM_E_INVALID, "message %zu lacks its role or its content", i);
  }
  if (r->tokens != NULL && r->token_count == 0) {
    return gmi_fail(GM_E_INVALID, "token_count is 0; give at least one token");
  }
  for (size_t i = 0; r->tokens != NULL && i < r->token_count; ++i) {
    if (r->tokens[i] >= 0) continue;
    return gmi_fail(GM_E_INVALID, "token %zu is %d; ids are 0 or more", i, r->tokens[i]);
  }
  return GM_OK;
}

static gm_status out_of_range(const char* name, double value, const char* range) {
  return gmi_fail(GM_E_INVALID, "%s is %g; it must be %s", name, value, range);
}

/* NaN passes no comparison, and so no range. */
static gm_status check_sampling(const gm_request* r) {
  if (r->max_tokens != -1 && r->max_tokens < 1) {
    return out_of_range("max_tokens", r->max_tokens, "1 or more, or -1");
  }
  if (!(r->temperature <= 100)) return out_of_range("temperature", r->temperature, "0 to 100");
  if (!(r->top_p < 0 || (r->top_p > 0 && r->top_p <= 1))) {
    return out_of_range("top_p", r->top_p, "above 0, to 1");
  }
  if (!(r->min_p <= 1)) return out_of_range("min_p", r->min_p, "0 to 1");
  if (!(r->repetition_penalty < 0 || (r->repetition_penalty > 0 && r->repetition_penalty <= 100))) {
    return out_of_range("repetition_penalty", r->repetition_penalty, "above 0, to 100");
  }
  if (!(r->presence_penalty >= -2 && r->presence_penalty <= 2)) {
    return out_of_range("presence_penalty", r->presence_penalty, "-2 to 2");
  }
  if (!(r->frequency_penalty >= -2 && r->frequency_penalty <= 2)) {
    return out_of_range("frequency_penalty", r->frequency_penalty, "-2 to 2");
  }
  if (r->seed < -1) return out_of_range("seed", (double)r->seed, "0 or more, or -1");
  return GM_OK;
}

static gm_status check_lists(const gm_request* r) {
  if (r->logit_bias_count > kMaxBiases || (r->logit_bias_count > 0 && r->logit_bias == NULL)) {
    return gmi_fail(GM_E_INVALID, "logit_bias has at most %d entries", kMaxBiases);
  }
  for (size_t i = 0; i < r->logit_bias_count; ++i) {
    const gm_logit_bias* bias = &r->logit_bias[i];
    if (bias->token >= 0 && bias->bias < (float)INFINITY) continue;
    return gmi_fail(GM_E_INVALID,
                    "logit_bias %zu: a token is 0 or more, a bias is finite or -INFINITY", i);
  }
  if (r->stop_count > kMaxStops || (r->stop_count > 0 && r->stop == NULL)) {
    return gmi_fail(GM_E_INVALID, "there are at most %d stop strings", kMaxStops);
  }
  for (size_t i = 0; i < r->stop_count; ++i) {
    size_t length = r->stop[i] != NULL ? strnlen(r->stop[i], kMaxStopBytes + 1) : 0;
    if (length >= 1 && length <= kMaxStopBytes) continue;
    return gmi_fail(GM_E_INVALID, "stop string %zu does not have 1 to %d bytes", i, kMaxStopBytes);
  }
  if (r->logprobs > 1 || r->ignore_eos > 1) {
    return gmi_fail(GM_E_INVALID, "logprobs and ignore_eos are 0 or 1");
  }
  if (r->top_logprobs > kMaxTopLogprobs) {
    return out_of_range("top_logprobs", r->top_logprobs, "0 to 20");
  }
  if ((r->json_schema != NULL) + (r->regex != NULL) + (r->grammar != NULL) > 1) {
    return gmi_fail(GM_E_INVALID, "at most one of json_schema, regex and grammar can be set");
  }
  return GM_OK;
}

static gm_status check_features(const gm_client* client, const gm_request* r) {
  const struct {
    bool used;
    uint32_t feature;
    const char* what;
  } needs[] = {
      {r->logprobs > 0, GMI_FEATURE_LOGPROBS, "logprobs"},
      {r->top_logprobs > 0, GMI_FEATURE_TOP_LOGPROBS, "top_logprobs"},
      {r->presence_penalty != 0 || r->frequency_penalty != 0, GMI_FEATURE_PENALTIES, "a penalty"},
      {r->logit_bias_count > 0, GMI_FEATURE_LOGIT_BIAS, "logit_bias"},
      {r->deadline_ms > 0, GMI_FEATURE_DEADLINE, "deadline_ms"},
      {r->json_schema != NULL, GMI_FEATURE_JSON_SCHEMA, "json_schema"},
      {r->regex != NULL, GMI_FEATURE_REGEX, "regex"},
      {r->grammar != NULL, GMI_FEATURE_GRAMMAR, "grammar"},
  };
  for (size_t i = 0; i < sizeof needs / sizeof needs[0]; ++i) {
    if (!needs[i].used) continue;
    gm_status status = gmi_need_feature(client, needs[i].feature, needs[i].what);
    if (status != GM_OK) return status;
  }
  return GM_OK;
}

gm_status gmi_request_check(const gm_client* client, const gm_request* request) {
  gm_status status = check_input(request);
  if (status == GM_OK) status = check_sampling(request);
  if (status == GM_OK) status = check_lists(request);
  if (status == GM_OK) status = check_features(client, request);
  return status;
}

static void encode_input(gmi_encoder* encoder, const gm_request* r) {
  if (r->prompt != NULL) {
    size_t length = r->prompt_len > 0 ? r->prompt_len : strlen(r->prompt);
    gmi_put_text(encoder, "prompt", r->prompt, length);
  }
  if (r->messages != NULL) gmi_put_messages(encoder, "messages", r->messages, r->message_count);
  if (r->messages_json != NULL) gmi_put_string(encoder, "messages_json", r->messages_json);
  if (r->tokens != NULL) gmi_put_tokens(encoder, "tokens", r->tokens, r->token_count);
}

/* Only what differs from the default is sent: it is the model's, or the daemon's, to know. */
static void encode_sampling(gmi_encoder* encoder, const gm_request* r) {
  if (r->max_tokens != -1) gmi_put_int(encoder, "max_tokens", r->max_tokens);
  if (r->temperature >= 0) gmi_put_float(encoder, "temperature", r->temperature);
  if (r->top_p >= 0) gmi_put_float(encoder, "top_p", r->top_p);
  if (r->top_k >= 0) gmi_put_int(encoder, "top_k", r->top_k);
  if (r->min_p >= 0) gmi_put_float(encoder, "min_p", r->min_p);
  if (r->repetition_penalty >= 0) {
    gmi_put_float(encoder, "repetition_penalty", r->repetition_penalty);
  }
  if (r->presence_penalty != 0) gmi_put_float(encoder, "presence_penalty", r->presence_penalty);
  if (r->frequency_penalty != 0) gmi_put_float(encoder, "frequency_penalty", r->frequency_penalty);
  if (r->logit_bias_count > 0) {
    gmi_put_biases(encoder, "logit_bias", r->logit_bias, r->logit_bias_count);
  }
  if (r->seed >= 0) gmi_put_int(encoder, "seed", r->seed);
}

void gmi_request_encode(gmi_encoder* encoder, const gm_request* request, bool stream) {
  const gm_request* r = request;
  encode_input(encoder, r);
  if (stream) gmi_put_bool(encoder, "stream", true);
  encode_sampling(encoder, r);
  if (r->stop_count > 0) gmi_put_strings(encoder, "stop", r->stop, r->stop_count);
  if (r->logprobs > 0) gmi_put_bool(encoder, "logprobs", true);
  if (r->top_logprobs > 0) gmi_put_int(encoder, "top_logprobs", r->top_logprobs);
  if (r->ignore_eos > 0) gmi_put_bool(encoder, "ignore_eos", true);
  if (r->deadline_ms > 0) gmi_put_u64(encoder, "deadline_ms", r->deadline_ms);
  if (r->json_schema != NULL) gmi_put_string(encoder, "json_schema", r->json_schema);
  if (r->regex != NULL) gmi_put_string(encoder, "regex", r->regex);
  if (r->grammar != NULL) gmi_put_string(encoder, "grammar", r->grammar);
}
