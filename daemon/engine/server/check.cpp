#include "engine/server/check.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/model/source.hpp"
#include "engine/server/dtype_check.hpp"
#include "engine/server/reply.hpp"
#include "engine/server/text_model.hpp"

namespace gpumodel::engine::server {
namespace {

using nlohmann::ordered_json;

struct Report {
  wire::InspectResult model;
  std::int32_t tokenizer_tokens = 0;
  std::string template_error;  // empty: usable
};

Report inspect_folder(const std::string& path, const std::string& dtype) {
  check_dtype(dtype);
  Report report;
  report.model = model::inspect(path, dtype);
  const TextModel text = TextModel::read(io::Folder::open(path));
  report.tokenizer_tokens = text.tokenizer().vocab_size();
  report.template_error = text.template_error();
  return report;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string as_text(const Report& report) {
  const wire::InspectResult& model = report.model;
  return fmt::format(
      "architecture    {}\n"
      "dtype           {}\n"
      "parameters      {}\n"
      "vocabulary      {} ({} known to the tokenizer)\n"
      "context         {} tokens\n"
      "weights         {}\n"
      "KV cache        {} a token, {} for the whole context\n"
      "workspace       {}\n"
      "chat template   {}\n"
      "identity        {}\n",
      model.architecture, model.dtype, model.parameters, model.vocab_size, report.tokenizer_tokens,
      model.context_tokens, human_bytes(model.tensor_bytes), human_bytes(model.kv_bytes_per_token),
      human_bytes(model.kv_bytes_per_token * model.context_tokens),
      human_bytes(model.workspace_bytes),
      report.template_error.empty() ? "usable" : report.template_error, model.identity);
}

ordered_json as_json(const Report& report) {
  const wire::InspectResult& model = report.model;
  return {{"identity", model.identity},
          {"architecture", model.architecture},
          {"dtype", model.dtype},
          {"parameters", model.parameters},
          {"vocab_size", model.vocab_size},
          {"context_tokens", model.context_tokens},
          {"tensor_bytes", model.tensor_bytes},
          {"kv_bytes_per_token", model.kv_bytes_per_token},
          {"workspace_bytes", model.workspace_bytes},
          {"image_bytes", model.image_bytes},
          {"tokenizer_tokens", report.tokenizer_tokens},
          {"chat_template", report.template_error.empty()},
          {"chat_template_error",
           report.template_error.empty() ? ordered_json() : ordered_json(report.template_error)}};
}

ordered_json error_as_json(const wire::Error& error) {
  return {{"error",
           {{"code", static_cast<std::int32_t>(error.code)},
            {"name", std::string(wire::code_name(error.code))},
            {"message", error.message},
            {"detail", nullptr},
            {"retryable", error.retryable},
            {"retry_after_ms", nullptr}}}};
}

}  // namespace

int check(const std::string& path, const std::string& dtype, bool json, std::FILE* out,
          std::FILE* err) {
  try {
    const Report report = inspect_folder(path, dtype);
    const std::string text = json ? as_json(report).dump(2) + "\n" : as_text(report);
    std::fputs(text.c_str(), out);
    return 0;
  } catch (...) {
    const wire::Error error = to_wire_error(std::current_exception());
    if (json) {
      std::fputs((error_as_json(error).dump(2) + "\n").c_str(), out);
    } else {
      std::fputs(fmt::format("gpumodel-engine: {}: {}\n", path, error.message).c_str(), err);
    }
    return 1;
  }
}

}  // namespace gpumodel::engine::server
