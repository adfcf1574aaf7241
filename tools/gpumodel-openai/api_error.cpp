#include "gpumodel-openai/api_error.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

namespace gpumodel_openai {
namespace {

constexpr int kLeastRetryAfterS = 1;

ApiError retryable(int status, const char* type, const gpumodel::Error& error) {
  ApiError result(status, type, std::string(error.message()), {}, gm_status_name(error.code()));
  const auto after = std::chrono::ceil<std::chrono::seconds>(error.retry_after());
  result.retry_after_s = std::max(kLeastRetryAfterS, static_cast<int>(after.count()));
  return result;
}

}  // namespace

std::string ApiError::body() const {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
  };
  const nlohmann::ordered_json error = {
      {"message", what()}, {"type", type}, {"param", or_null(param)}, {"code", or_null(code)}};
  return nlohmann::ordered_json{{"error", error}}.dump(-1, ' ', false,
                                                       nlohmann::json::error_handler_t::replace);
}

ApiError bad_param(const std::string& param, const std::string& message) {
  return ApiError(400, "invalid_request_error", param + ": " + message, param, "invalid_value");
}

ApiError unsupported_param(const std::string& param, const std::string& message) {
  return ApiError(400, "invalid_request_error", param + ": " + message, param,
                  "unsupported_parameter");
}

ApiError api_error_of(const gpumodel::Error& error) {
  switch (error.code()) {
    case GM_E_NO_MODEL:
      return ApiError(404, "invalid_request_error", std::string(error.message()), "model",
                      "model_not_found");
    case GM_E_DENIED:
      return ApiError(403, "invalid_request_error", std::string(error.message()), "model",
                      gm_status_name(error.code()));
    case GM_E_BUSY:
    case GM_E_QUOTA:
    case GM_E_TIMEOUT:
    case GM_E_FOREIGN:
      return retryable(429, "rate_limit_error", error);
    case GM_E_PROMPT_TOO_LONG:
      return ApiError(400, "invalid_request_error", std::string(error.message()), "messages",
                      "context_length_exceeded");
    case GM_E_INVALID:
    case GM_E_BAD_REQUEST:
    case GM_E_UNSUPPORTED:
      return ApiError(400, "invalid_request_error", std::string(error.message()), {},
                      gm_status_name(error.code()));
    case GM_E_NO_DAEMON:
    case GM_E_DISCONNECTED:
    case GM_E_DRAINING:
    case GM_E_LEASE_LOST:
    case GM_E_ENGINE_LOST:
    case GM_E_DEVICE:
      return retryable(503, "server_error", error);
    default:
      return ApiError(500, "server_error", std::string(error.message()), {},
                      gm_status_name(error.code()));
  }
}

}  // namespace gpumodel_openai
