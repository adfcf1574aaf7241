#include "gpumodelctl/failure.hpp"

#include <fmt/core.h>

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

Exit exit_for(gm_status status) {
  switch (status) {
    case GM_E_NO_DAEMON:
      return kExitNoDaemon;
    case GM_E_DENIED:
      return kExitDenied;
    case GM_E_BUSY:
    case GM_E_TIMEOUT:
      return kExitBusy;
    case GM_E_INTERRUPTED:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

// "GM_E_NO_MODEL" as the protocol writes it: "no_model".
std::string protocol_name(gm_status status) {
  std::string name = gm_status_name(status);
  if (name.rfind("GM_E_", 0) == 0) name.erase(0, 5);
  for (char& letter : name)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return name;
}

ordered_json protocol_error(gm_status status, const std::string& message) {
  return {{"code", status},     {"name", protocol_name(status)},
          {"message", message}, {"detail", nullptr},
          {"retryable", false}, {"retry_after_ms", nullptr}};
}

}  // namespace

Failure::Failure(Exit exit_code, ordered_json protocol_fields)
    : std::runtime_error(protocol_fields.at("message").get<std::string>()),
      exit(exit_code),
      error(std::move(protocol_fields)) {}

Failure usage_failure(const std::string& message) {
  return Failure(kExitUsage, protocol_error(GM_E_INVALID, message));
}

Failure last_failure(gm_status status) {
  gm_error last = GM_ERROR_INIT;
  gm_last_error(&last);
  ordered_json error =
      protocol_error(status, last.message[0] != '\0' ? last.message : gm_status_text(status));
  error["retryable"] = last.retryable != 0;
  if (last.retry_after_ms != 0) error["retry_after_ms"] = last.retry_after_ms;
  char* text = nullptr;
  if (gm_last_error_json(&text) == GM_OK && text != nullptr) {
    const auto whole = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    gm_free(text);
    if (whole.is_object() && whole.contains("detail")) error["detail"] = whole["detail"];
  }
  return Failure(exit_for(status), std::move(error));
}

gm_status check(gm_status status) {
  if (status < 0) throw last_failure(status);
  return status;
}

void print_failure(const Failure& failure, bool json) {
  if (json) {
    fmt::print("{}\n", ordered_json{{"error", failure.error}}.dump());
  } else {
    fmt::print(stderr, "gpumodelctl: {}\n", failure.what());
  }
}

}  // namespace gpumodelctl
