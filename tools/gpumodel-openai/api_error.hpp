// Errors as clients of OpenAI's API know them.
#pragma once

#include <gpumodel.hpp>
#include <optional>
#include <stdexcept>
#include <string>

namespace gpumodel_openai {

// An HTTP status and the fields of the error object (OpenAI API reference, "Error codes").
struct ApiError : std::runtime_error {
  ApiError(int http_status, std::string error_type, const std::string& message,
           std::string error_param = {}, std::string error_code = {})
      : std::runtime_error(message),
        status(http_status),
        type(std::move(error_type)),
        param(std::move(error_param)),
        code(std::move(error_code)) {}

  int status;
  std::string type;
  std::string param;  // of the request; empty: null
  std::string code;   // empty: null
  std::optional<int> retry_after_s;

  std::string body() const;  // JSON
};

// 400: a parameter that is not what it has to be, or that nothing here can honour.
ApiError bad_param(const std::string& param, const std::string& message);
ApiError unsupported_param(const std::string& param, const std::string& message);

// What the library says, as a status that a client's retries understand.
ApiError api_error_of(const gpumodel::Error& error);

}  // namespace gpumodel_openai
