/* The structs of version 1.0 on 64-bit Linux, for ever: programs compiled against it pass them to
 * every later library. Fields are only ever added behind the last one named here. */
#include <gpumodel.h>
#include <stdio.h>
#include <string.h>

#define AT(type, field, offset) \
  _Static_assert(offsetof(type, field) == (offset), #type "." #field " has moved")

#if defined(__x86_64__) || defined(__aarch64__)
AT(gm_error, status, 8);
AT(gm_error, message, 24);
AT(gm_event, type, 8);
AT(gm_event, lease, 16);
AT(gm_event, json, 40);
AT(gm_client_options, socket_path, 8);
AT(gm_client_options, timeout_ms, 24);
AT(gm_client_options, user, 40);
AT(gm_model_info, name, 8);
AT(gm_model_info, parameters, 32);
AT(gm_model_info, waiting, 60);
AT(gm_lease_options, wait_ms, 8);
AT(gm_lease_options, flags, 16);
AT(gm_lease_info, id, 8);
AT(gm_lease_info, model, 32);
AT(gm_release_report, outcome, 8);
AT(gm_release_report, unload_ms, 40);
AT(gm_request, prompt, 8);
AT(gm_request, max_tokens, 64);
AT(gm_request, logit_bias, 96);
AT(gm_request, seed, 112);
AT(gm_request, deadline_ms, 172);
AT(gm_result, finish, 8);
AT(gm_result, text_len, 24);
AT(gm_result, total_us, 56);
AT(gm_chunk, text, 8);
AT(gm_chunk, top_logprobs, 56);
_Static_assert(sizeof(gm_message) == 16 && sizeof(gm_logit_bias) == 8, "frozen structs");
#endif

int main(void) {
  if (gm_version() != GM_VERSION_NUM) {
    fprintf(stderr, "the library is version %#x, the header %#x\n", gm_version(), GM_VERSION_NUM);
    return 1;
  }
  gm_request request;
  gm_request_init(&request, sizeof request);
  return request.struct_size == sizeof request && strcmp(gm_status_name(GM_OK), "GM_OK") == 0 ? 0
                                                                                              : 1;
}
