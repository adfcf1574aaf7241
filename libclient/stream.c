#include "stream.h"

#include <errno.h>
#include <stdlib.h>

#include "call.h"
#include "lease.h"
#include "request.h"
#include "result.h"
#include "wait.h"

static const gmi_layout kChunkLayout = {"gm_chunk", sizeof(gm_chunk), sizeof(gm_chunk)};

static gm_stream* stream_of(gmi_pending* pending) {
  return (gm_stream*)((char*)pending - offsetof(gm_stream, pending));
}

static gmi_chunk* take_first(gm_stream* stream) {
  gmi_chunk* chunk = stream->first;
  if (chunk == NULL) return NULL;
  stream->first = chunk->next;
  if (stream->first == NULL) stream->last = NULL;
  stream->unread_bytes -= chunk->message->cost_bytes;
  return chunk;
}

static void drop_chunks(gm_stream* stream) {
  gmi_chunk* chunk;
  while ((chunk = take_first(stream)) != NULL) gmi_chunk_free(chunk);
  gmi_chunk_free(stream->current);
  stream->current = NULL;
}

static void unref(gm_stream* stream) {
  if (--stream->references > 0) return;
  drop_chunks(stream);
  gmi_message_free(stream->response);
  free(stream);
}

static void cancel(gm_stream* stream) {
  if (stream->cancelled || !stream->pending.open) return;
  stream->cancelled = true;
  gmi_client_owe(stream->client, &stream->pending);
}

/* ---- what the daemon says ---- */

static void settle(gm_stream* stream, gmi_message* response) {
  stream->response = response;
  stream->ended = true;
  gmi_wake(stream->client, stream);
  unref(stream);
}

static void lost(gm_client* client, gmi_pending* pending) {
  (void)client;
  settle(stream_of(pending), NULL);
}

static gm_status answered(gm_client* client, gmi_pending* pending, gmi_message* message) {
  gm_result result;
  gmi_error error = {.status = GM_OK};
  const char* fault = NULL;
  if (message->error == NULL) {
    fault = gmi_result_read(message->result, &result);
  } else if (!gmi_error_read(message->error, &error)) {
    fault = "an error without a code";
  }
  free(error.detail);
  if (fault != NULL) {
    gmi_client_broke(client, "the answer to generate", fault);
    gmi_message_free(message);
    message = NULL;
  }
  settle(stream_of(pending), message);
  return GM_OK;
}

static void append(gm_stream* stream, gmi_chunk* chunk) {
  size_t cost_bytes = chunk->message->cost_bytes;
  if (stream->unread_bytes + cost_bytes > GMI_STREAM_BYTES && stream->first != NULL) {
    stream->overrun = true;
    gmi_chunk_free(chunk);
    cancel(stream);
  } else {
    stream->unread_bytes += cost_bytes;
    if (stream->last != NULL) {
      stream->last->next = chunk;
    } else {
      stream->first = chunk;
    }
    stream->last = chunk;
  }
  gmi_wake(stream->client, stream);
}

static gm_status notified(gm_client* client, gmi_pending* pending, gmi_message* message) {
  gm_stream* stream = stream_of(pending);
  if (!stream->has_handle || stream->overrun) { /* nobody will read it */
    gmi_message_free(message);
    return GM_OK;
  }
  gmi_chunk* chunk;
  const char* fault = NULL;
  gm_status status =
      gmi_chunk_read(message, stream->logprobs, stream->top_logprobs, &chunk, &fault);
  if (status == GM_E_NOMEM) return status;
  if (status == GM_OK && chunk->seq != stream->chunks) fault = "seq";
  if (fault != NULL) {
    gmi_client_broke(client, "generate.chunk", fault);
    gmi_message_free(message);
    return GM_OK;
  }
  ++stream->chunks;
  append(stream, chunk);
  return GM_OK;
}

static bool pay(gm_client* client, gmi_pending* pending) {
  return gmi_client_send_cancel(client, pending->id);
}

static const gmi_pending_ops kOps = {answered, notified, lost, pay};

/* ---- what the program asks ---- */

static gm_status send_generate(gm_lease* lease, const gm_request* request, gm_stream* stream) {
  gm_client* client = lease->client;
  stream->pending.ops = &kOps;
  stream->pending.id = gmi_client_next_id(client);
  stream->pending.generation = true;
  stream->pending.lease = lease->id;
  stream->pending.epoch = lease->epoch;
  gmi_encoder encoder;
  gmi_encode_request(&encoder, stream->pending.id, "generate");
  gmi_put_u64(&encoder, "lease", lease->id);
  gmi_put_u64(&encoder, "epoch", lease->epoch);
  gmi_request_encode(&encoder, request, /*stream=*/true);
  gm_status status = gmi_encoder_finish(&encoder, client->message_bytes);
  if (status == GM_OK) status = gmi_client_send(client, &stream->pending, &encoder);
  gmi_encoder_free(&encoder);
  return status;
}

static gm_status generate(gm_lease* lease, const gm_request* given, gm_stream** out) {
  gm_client* client = lease->client;
  gm_request request;
  gm_status status = gmi_request_read(given, &request);
  if (status == GM_OK) status = gmi_request_check(client, &request);
  if (status == GM_OK) status = gmi_lease_check(lease);
  if (status != GM_OK) return status;
  gm_stream* stream = calloc(1, sizeof *stream);
  if (stream == NULL) return gmi_fail_nomem();
  stream->client = client;
  stream->has_handle = true;
  stream->references = 2; /* the handle's, the table's */
  stream->logprobs = request.logprobs > 0;
  stream->top_logprobs = request.top_logprobs;
  status = send_generate(lease, &request, stream);
  if (status != GM_OK) {
    free(stream);
    return status;
  }
  ++client->references;
  *out = stream;
  return GM_OK;
}

gm_status gm_generate(gm_lease* lease, const gm_request* request, gm_stream** out) {
  if (lease == NULL) return gmi_fail_null("lease");
  if (request == NULL) return gmi_fail_null("request");
  if (out == NULL) return gmi_fail_null("out");
  int saved_errno = errno;
  gm_client* client = lease->client;
  gm_status status = gmi_enter(client, "lease");
  if (status == GM_OK) {
    gmi_lock(client);
    status = generate(lease, request, out);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}

static bool readable(const void* subject) {
  const gm_stream* stream = subject;
  return stream->first != NULL || stream->overrun || stream->ended;
}

/* How the stream ended; GM_END or the error. */
static gm_status end_of(const gm_stream* stream) {
  if (stream->overrun) {
    return gmi_fail(GM_E_OVERRUN,
                    "more than %zu MiB of this stream were left unread, so that it was cancelled; "
                    "read it while it runs",
                    GMI_STREAM_BYTES >> 20);
  }
  if (stream->response == NULL) return gmi_client_check(stream->client);
  if (stream->response->error == NULL) return GM_END;
  gmi_error error;
  gmi_error_read(stream->response->error, &error); /* it was read once already */
  return gmi_fail_take(&error);
}

static gm_status next(gm_stream* stream, gm_chunk* out, int32_t timeout_ms) {
  gm_status status = gmi_struct_check(&kChunkLayout, out);
  if (status == GM_OK) status = gmi_check_timeout(timeout_ms, /*zero_allowed=*/true);
  if (status != GM_OK) return status;
  status = gmi_wait(stream->client, readable, stream, gmi_deadline_after(timeout_ms));
  if (status != GM_OK) return status;
  gmi_chunk_free(stream->current);
  stream->current = take_first(stream);
  if (stream->current == NULL) return end_of(stream);
  stream->output_tokens += (uint32_t)stream->current->content.token_count;
  gmi_struct_write(&kChunkLayout, &stream->current->content, out);
  return GM_OK;
}

gm_status gm_stream_next(gm_stream* stream, gm_chunk* out, int32_t timeout_ms) {
  if (stream == NULL) return gmi_fail_null("stream");
  if (out == NULL) return gmi_fail_null("out");
  int saved_errno = errno;
  gm_client* client = stream->client;
  gm_status status = gmi_enter(client, "stream");
  if (status == GM_OK) {
    gmi_lock(client);
    status = next(stream, out, timeout_ms);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}

gm_status gm_stream_cancel(gm_stream* stream) {
  if (stream == NULL) return gmi_fail_null("stream");
  int saved_errno = errno;
  gm_client* client = stream->client;
  gm_status status = gmi_enter(client, "stream");
  if (status == GM_OK) {
    gmi_lock(client);
    cancel(stream);
    gmi_leave(client);
  }
  errno = saved_errno;
  return status;
}

static gm_status fill_result(gm_stream* stream, gm_result* out) {
  gm_status status = gmi_struct_check(&gmi_result_layout, out);
  if (status != GM_OK) return status;
  if (!stream->ended && !stream->overrun) {
    return gmi_fail(GM_E_STATE, "the generation still runs; read the stream to its end first");
  }
  gm_result result = GM_RESULT_INIT;
  if (stream->overrun || stream->response == NULL || stream->response->error != NULL) {
    result.finish = GM_FINISH_ERROR;
    result.output_tokens = stream->output_tokens;
  } else {
    gmi_result_read(stream->response->result, &result); /* it was read once already */
  }
  gmi_struct_write(&gmi_result_layout, &result, out);
  return GM_OK;
}

gm_status gm_stream_result(gm_stream* stream, gm_result* out) {
  if (stream == NULL) return gmi_fail_null("stream");
  if (out == NULL) return gmi_fail_null("out");
  gm_status status = gmi_enter(stream->client, "stream");
  if (status != GM_OK) return status;
  gmi_lock(stream->client);
  status = fill_result(stream, out);
  gmi_unlock(stream->client);
  return status;
}

void gm_stream_free(gm_stream* stream) {
  if (stream == NULL) return;
  int saved_errno = errno;
  gm_client* client = stream->client;
  if (gmi_lock_for_free(client)) {
    cancel(stream);
    stream->has_handle = false;
    drop_chunks(stream);
    unref(stream);
    gmi_client_unref_unlock(client);
  }
  errno = saved_errno;
}
