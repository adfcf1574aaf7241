// The library's scanner and decoder on whatever a daemon may send, in the pieces that the first
// byte says. What the scanner passes must unpack, in the memory that it promised, and be readable
// to the end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" {
#include "libclient/chunk.h"
#include "libclient/json.h"
#include "libclient/message.h"
#include "libclient/result.h"
#include "libclient/scan.h"
#include "libclient/value.h"
}

namespace {

void read_message(gmi_message* message) {
  if (message->type == GMI_RESPONSE) {
    gmi_error error{};
    if (message->error != nullptr && gmi_error_read(message->error, &error))
      std::free(error.detail);
    gm_result result;
    gmi_result_read(message->result, &result);
    std::free(gmi_json_text(message->result));
    gmi_message_free(message);
    return;
  }
  // News of the daemon, and of a lease.
  gmi_reader params = gmi_read_map(message->params, "params");
  gmi_read_u64(&params, "lease", UINT64_MAX, /*needed=*/true);
  gmi_read_text(&params, "reason", /*needed=*/false);
  std::free(gmi_json_text(message->params));
  gmi_chunk* chunk = nullptr;
  const char* fault = nullptr;
  if (gmi_chunk_read(message, true, 2, &chunk, &fault) == GM_OK) {
    gmi_chunk_free(chunk);
  } else {
    if (fault == nullptr) std::abort();
    gmi_message_free(message);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0];
  const char* bytes = reinterpret_cast<const char*>(data + 1);
  --size;
  std::size_t begin = 0;
  gmi_scan scan;
  gmi_scan_reset(&scan);
  for (std::size_t end = 0; end < size;) {
    end = end + step < size ? end + step : size;
    gmi_scan_state state;
    while ((state = gmi_scan_run(&scan, bytes + begin, end - begin)) == GMI_SCAN_DONE) {
      gmi_message* message = nullptr;
      const char* fault = nullptr;
      const gm_status status =
          gmi_message_unpack(bytes + begin, scan.position, scan.values, &message, &fault);
      if (status == GM_OK) read_message(message);
      if (status == GM_E_NOMEM) std::abort();  // there is enough, so that it is the scan that lied
      begin += scan.position;
      gmi_scan_reset(&scan);
    }
    if (state == GMI_SCAN_INVALID) return 0;
  }
  return 0;
}
