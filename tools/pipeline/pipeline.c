/*
 * The job that gpumodeld exists for: three models that do not fit together, used one after the other.
 *
 *     pipeline [SCHEMA.sql]
 *
 * Asks the model `concept` for the entities of a database schema, `relationship` how they relate, and
 * `attribute` what describes them, each answer feeding the next question. Every model is leased for its
 * question only. What the loads cost, and that the memory is back afterwards, is printed as measured.
 */
#define _POSIX_C_SOURCE 200809L
#include <cjson/cJSON.h>
#include <gpumodel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char kSchema[] =
    "CREATE TABLE customer (id INT PRIMARY KEY, name TEXT, email TEXT, city TEXT);\n"
    "CREATE TABLE product (id INT PRIMARY KEY, title TEXT, price DECIMAL);\n"
    "CREATE TABLE orders (id INT PRIMARY KEY, customer_id INT REFERENCES customer, placed DATE);\n"
    "CREATE TABLE order_item (order_id INT REFERENCES orders, product_id INT REFERENCES product,\n"
    "                         quantity INT);\n";

struct step {
  const char *model;
  const char *question;
};

static const struct step kSteps[] = {
    {"concept", "List the entities of this database schema."},
    {"relationship", "How are these entities related?"},
    {"attribute", "Which attributes describe each of these entities?"},
};

static void fail(const char *what, gm_status status) {
  gm_error error = GM_ERROR_INIT;
  gm_last_error(&error);
  fprintf(stderr, "pipeline: %s: %s: %s\n", what, gm_status_name(status), error.message);
  exit(1);
}

static void *need(void *allocated) {
  if (allocated == NULL) {
    fputs("pipeline: out of memory\n", stderr);
    exit(1);
  }
  return allocated;
}

static double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The devices' memory now: what the daemon has given out, and what the engine's process really holds. */
static void print_memory(gm_client *client, const char *when) {
  char *text = NULL;
  const gm_status status = gm_call_json(client, "status", NULL, 5000, &text);
  if (status != GM_OK) fail("status", status);
  cJSON *report = need(cJSON_Parse(text));
  gm_free(text);
  const cJSON *device = NULL;
  cJSON_ArrayForEach(device, cJSON_GetObjectItem(report, "devices")) {
    const cJSON *resident =
        cJSON_GetObjectItem(cJSON_GetObjectItem(device, "engine"), "resident_bytes");
    printf("  memory %-7s %4.0f of %.0f MiB of %s in use", when,
           cJSON_GetNumberValue(cJSON_GetObjectItem(device, "used_bytes")) / 1048576,
           cJSON_GetNumberValue(cJSON_GetObjectItem(device, "capacity_bytes")) / 1048576,
           cJSON_GetStringValue(cJSON_GetObjectItem(device, "name")));
    if (cJSON_IsNumber(resident))
      printf(", engine process %.0f MiB", cJSON_GetNumberValue(resident) / 1048576);
    putchar('\n');
  }
  cJSON_Delete(report);
}

/* The schema, what was found so far, and the question. */
static char *make_prompt(const char *schema, const char *findings, const char *question) {
  const size_t size = strlen(schema) + strlen(findings) + strlen(question) + 64;
  char *prompt = need(malloc(size));
  snprintf(prompt, size, "%s\n%s%s%s", schema, findings[0] != '\0' ? "Found so far:\n" : "", findings,
           question);
  return prompt;
}

/* Streams the answer to stdout and returns it. */
static char *ask(gm_lease *lease, const char *prompt, gm_result *result) {
  const gm_message messages[] = {
      {"system", "You are a careful database analyst. Answer briefly."},
      {"user", prompt},
  };
  gm_request request;
  gm_request_init(&request, sizeof request);
  request.messages = messages;
  request.message_count = sizeof messages / sizeof messages[0];
  request.max_tokens = 120;
  request.temperature = 0;
  request.repetition_penalty = 1;

  gm_stream *stream = NULL;
  gm_status status = gm_generate(lease, &request, &stream);
  if (status != GM_OK) fail("generate", status);
  char *answer = need(calloc(1, 1));
  size_t length = 0;
  gm_chunk chunk = GM_CHUNK_INIT;
  while ((status = gm_stream_next(stream, &chunk, GM_WAIT_FOREVER)) == GM_OK) {
    fwrite(chunk.text, 1, chunk.text_len, stdout);
    fflush(stdout);
    answer = need(realloc(answer, length + chunk.text_len + 1));
    memcpy(answer + length, chunk.text, chunk.text_len);
    length += chunk.text_len;
    answer[length] = '\0';
  }
  if (status != GM_END) fail("stream", status);
  status = gm_stream_result(stream, result);
  if (status != GM_OK) fail("result", status);
  gm_stream_free(stream);
  putchar('\n');
  return answer;
}

static void print_speed(double load_s, const gm_result *result) {
  const double decode_us = (double)(result->total_us - result->first_token_us);
  printf("  load %.0f ms, first token %.0f ms (%u prompt tokens)", 1000 * load_s,
         1e-3 * (double)result->first_token_us, result->prompt_tokens);
  if (result->output_tokens > 1 && decode_us > 0)
    printf(", %.1f tokens/s", 1e6 * (result->output_tokens - 1) / decode_us);
  putchar('\n');
}

/* One lease, one question. */
static char *run_step(gm_client *client, const struct step *step, const char *schema,
                      const char *findings) {
  printf("\n== %s\n", step->model);
  print_memory(client, "before");
  const double start_s = now_s();
  gm_lease *lease = NULL;
  gm_status status = gm_lease_acquire(client, step->model, NULL, &lease);
  if (status != GM_OK) fail(step->model, status);
  const double load_s = now_s() - start_s;

  char *prompt = make_prompt(schema, findings, step->question);
  gm_result result = GM_RESULT_INIT;
  char *answer = ask(lease, prompt, &result);
  free(prompt);
  print_speed(load_s, &result);
  print_memory(client, "during");

  gm_release_report report = GM_RELEASE_REPORT_INIT;
  status = gm_lease_release(lease, GM_WAIT_FOREVER, &report);
  if (status != GM_OK) fail("release", status);
  gm_lease_free(lease);
  if (report.outcome == GM_RELEASE_FREED)
    printf("  released: %.0f of %.0f MiB measured free in %u ms\n", (double)report.freed_bytes / 1048576,
           (double)report.expected_bytes / 1048576, report.unload_ms);
  print_memory(client, "after");
  return answer;
}

static char *read_schema(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    perror(path);
    exit(1);
  }
  const size_t most = 64 * 1024;
  char *text = need(calloc(1, most + 1));
  const size_t size = fread(text, 1, most, file);
  if (ferror(file) || (size == most && fgetc(file) != EOF)) {
    fprintf(stderr, "pipeline: %s cannot be read, or is over 64 KiB\n", path);
    exit(1);
  }
  fclose(file);
  return text;
}

int main(int argc, char **argv) {
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    fputs("usage: pipeline [SCHEMA.sql]\nThe daemon is found at $GPUMODEL_SOCKET or its default place.\n",
          stderr);
    return 2;
  }
  char *schema = argc == 2 ? read_schema(argv[1]) : NULL;

  gm_client *client = NULL;
  const gm_status status = gm_client_open(NULL, &client);
  if (status != GM_OK) fail("connect", status);
  char *findings = need(calloc(1, 1));
  for (size_t i = 0; i < sizeof kSteps / sizeof kSteps[0]; ++i) {
    char *answer = run_step(client, &kSteps[i], schema != NULL ? schema : kSchema, findings);
    const size_t size = strlen(findings) + strlen(answer) + 2;
    findings = need(realloc(findings, size));
    strcat(strcat(findings, answer), "\n");
    free(answer);
  }
  free(findings);
  free(schema);
  gm_client_close(client);
  return 0;
}
