#include "engine/server/check.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

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
  std::vector<wire::Error> problems;
};

// What throws is a problem, and the rest is looked at nevertheless.
template <class Look>
bool look(Report& report, const Look& look_at) {
  try {
    look_at();
    return true;
  } catch (...) {
    report.problems.push_back(to_wire_error(std::current_exception()));
    return false;
  }
}

Report inspect_folder(const CheckRequest& request) {
  check_dtype(request.dtype);
  Report report;
  const bool has_model = look(
      report, [&] { report.model = model::inspect(request.path, request.dtype, std::nullopt); });
  look(report, [&] {
    const TextModel text = TextModel::read(io::Folder::open(request.path));
    report.tokenizer_tokens = text.tokenizer().vocab_size();
    report.template_error = text.template_error();
  });
  if (has_model && request.adapter_path)
    look(report, [&] {
      report.model = model::inspect(request.path, request.dtype, request.adapter_path);
    });
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
  std::string adapter;
  if (model.adapter)
    adapter = fmt::format("adapter         {}, {}\n", human_bytes(model.adapter->bytes),
                          model.adapter->identity);
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
      report.template_error.empty() ? "usable" : report.template_error, model.identity) +
         adapter;
}

ordered_json as_json(const Report& report) {
  const wire::InspectResult& model = report.model;
  ordered_json adapter;
  if (model.adapter)
    adapter = {{"identity", model.adapter->identity}, {"bytes", model.adapter->bytes}};
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
          {"adapter", adapter},
          {"tokenizer_tokens", report.tokenizer_tokens},
          {"chat_template", report.template_error.empty()},
          {"chat_template_error",
           report.template_error.empty() ? ordered_json() : ordered_json(report.template_error)}};
}

ordered_json problems_as_json(const std::vector<wire::Error>& problems) {
  const wire::Error& first = problems.front();
  ordered_json words = ordered_json::array();
  for (const wire::Error& problem : problems) words.push_back(problem.message);
  return {{"error",
           {{"code", static_cast<std::int32_t>(first.code)},
            {"name", std::string(wire::code_name(first.code))},
            {"message", first.message},
            {"detail", nullptr},
            {"retryable", first.retryable},
            {"retry_after_ms", nullptr}}},
          {"problems", words}};
}

}  // namespace

int check(const CheckRequest& request, std::FILE* out, std::FILE* err) {
  Report report;
  try {
    report = inspect_folder(request);
  } catch (...) {
    report.problems.push_back(to_wire_error(std::current_exception()));
  }
  if (report.problems.empty()) {
    const std::string text = request.json ? as_json(report).dump(2) + "\n" : as_text(report);
    std::fputs(text.c_str(), out);
    return 0;
  }
  if (request.json) {
    std::fputs((problems_as_json(report.problems).dump(2) + "\n").c_str(), out);
    return 1;
  }
  for (const wire::Error& problem : report.problems)
    std::fputs(fmt::format("{}: {}\n", request.path, problem.message).c_str(), err);
  return 1;
}

}  // namespace gpumodel::engine::server
