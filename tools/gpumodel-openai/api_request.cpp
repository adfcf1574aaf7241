#include "gpumodel-openai/api_request.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "gpumodel-openai/api_messages.hpp"
#include "gpumodel-openai/bounded_json.hpp"

namespace gpumodel_openai {
namespace {

using nlohmann::ordered_json;

// What changes no answer.
const std::set<std::string> kPassedOver = {"user",
                                           "metadata",
                                           "store",
                                           "service_tier",
                                           "parallel_tool_calls",
                                           "safety_identifier",
                                           "prompt_cache_key",
                                           "prompt_cache_retention"};

// Members are taken out as they are read: what is left was not understood.
class Fields {
 public:
  explicit Fields(ordered_json json) : json_(std::move(json)) {}

  // The member, which is then gone; null where there is none, or null.
  ordered_json take(const std::string& name) {
    const auto found = json_.find(name);
    if (found == json_.end()) return nullptr;
    ordered_json value = std::move(*found);
    json_.erase(found);
    return value;
  }
  std::optional<double> number(const std::string& name, double least, double most) {
    const ordered_json value = take(name);
    if (value.is_null()) return std::nullopt;
    if (!value.is_number()) throw bad_param(name, "a number is expected");
    const double number = value.get<double>();
    if (!(number >= least && number <= most))
      throw bad_param(name, "expected " + shown(least) + " to " + shown(most));
    return number;
  }
  std::optional<std::int64_t> integer(const std::string& name, std::int64_t least,
                                      std::int64_t most) {
    const ordered_json value = take(name);
    if (value.is_null()) return std::nullopt;
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() &&
                        value.get<std::uint64_t>() >
                            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) &&
                      value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
    if (!fits)
      throw bad_param(name, "expected a whole number, " + std::to_string(least) + " to " +
                                std::to_string(most));
    return value.get<std::int64_t>();
  }
  bool boolean(const std::string& name) {
    const ordered_json value = take(name);
    if (value.is_null()) return false;
    if (!value.is_boolean()) throw bad_param(name, "true or false is expected");
    return value.get<bool>();
  }
  std::string text(const std::string& name) {
    const ordered_json value = take(name);
    if (!value.is_string()) throw bad_param(name, "a string is expected");
    return value.get<std::string>();
  }
  // Refuses what is left, but for what changes no answer.
  void finish() {
    for (const auto& [name, value] : json_.items())
      if (!value.is_null() && !kPassedOver.contains(name))
        throw unsupported_param(name, "nothing here can honour it");
  }

 private:
  static std::string shown(double number) { return ordered_json(number).dump(); }

  ordered_json json_;
};

template <class T>
std::optional<T> narrowed(const auto& value) {
  return value ? std::optional<T>(static_cast<T>(*value)) : std::nullopt;
}

std::vector<std::string> stops_of(const ordered_json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return {value.get<std::string>()};
  std::vector<std::string> stops;
  if (!value.is_array() || value.size() > 16)
    throw bad_param("stop", "expected a string, or an array of at most 16");
  for (const ordered_json& one : value) {
    if (!one.is_string()) throw bad_param("stop", "an array of strings is expected");
    stops.push_back(one.get<std::string>());
  }
  return stops;
}

std::vector<gpumodel::LogitBias> bias_of(const ordered_json& value) {
  std::vector<gpumodel::LogitBias> all;
  if (value.is_null()) return all;
  if (!value.is_object()) throw bad_param("logit_bias", "an object is expected");
  for (const auto& [key, bias] : value.items()) {
    std::size_t used = 0;
    long token = -1;
    try {
      token = std::stol(key, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    const bool is_token = used == key.size() && used > 0 && token >= 0 &&
                          token <= std::numeric_limits<std::int32_t>::max();
    if (!is_token || !bias.is_number() || std::abs(bias.get<double>()) > 100)
      throw bad_param("logit_bias", "token ids with numbers from -100 to 100 are expected");
    // OpenAI's -100 forbids a token.
    const double is = bias.get<double>();
    all.push_back({static_cast<std::int32_t>(token),
                   is == -100 ? -std::numeric_limits<float>::infinity() : static_cast<float>(is)});
  }
  return all;
}

std::string schema_of(ordered_json format) {
  if (format.is_null()) return {};
  const auto type = format.is_object() ? format.find("type") : format.end();
  if (type == format.end() || !type->is_string())
    throw bad_param("response_format", "an object with a type is expected");
  if (*type == "text") return {};
  if (*type == "json_object") return R"({"type":"object"})";
  if (*type != "json_schema")
    throw unsupported_param("response_format", "text, json_object and json_schema are served");
  const auto schema = format.find("json_schema");
  if (schema == format.end() || !schema->is_object() || !schema->contains("schema"))
    throw bad_param("response_format", "json_schema with a schema is expected");
  return (*schema)["schema"].dump();
}

void read_sampling(Fields& fields, gpumodel::GenerateOptions& options) {
  options.temperature = narrowed<float>(fields.number("temperature", 0, 100));
  options.top_p = narrowed<float>(fields.number("top_p", 0, 1));
  options.min_p = narrowed<float>(fields.number("min_p", 0, 1));
  options.top_k =
      narrowed<std::int32_t>(fields.integer("top_k", 0, std::numeric_limits<std::int32_t>::max()));
  options.repetition_penalty = narrowed<float>(fields.number("repetition_penalty", 0.01, 100));
  options.presence_penalty =
      static_cast<float>(fields.number("presence_penalty", -2, 2).value_or(0));
  options.frequency_penalty =
      static_cast<float>(fields.number("frequency_penalty", -2, 2).value_or(0));
  options.seed = fields.integer("seed", 0, std::numeric_limits<std::int64_t>::max());
  options.stop = stops_of(fields.take("stop"));
  options.logit_bias = bias_of(fields.take("logit_bias"));
}

void read_length(Fields& fields, gpumodel::GenerateOptions& options) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto older = fields.integer("max_tokens", 1, kMost);
  const auto newer = fields.integer("max_completion_tokens", 1, kMost);
  options.max_tokens = narrowed<std::int32_t>(newer ? newer : older);
}

void read_stream(Fields& fields, ApiRequest& request) {
  request.stream = fields.boolean("stream");
  const ordered_json options = fields.take("stream_options");
  if (options.is_null()) return;
  if (!options.is_object()) throw bad_param("stream_options", "an object is expected");
  if (!request.stream) throw bad_param("stream_options", "only with stream");
  Fields inner(options);
  request.include_usage = inner.boolean("include_usage");
  inner.boolean("include_obfuscation");
  inner.finish();
}

void read_chat(Fields& fields, ApiRequest& request) {
  const ordered_json modalities = fields.take("modalities");
  if (!modalities.is_null() && modalities != ordered_json::array({"text"}))
    throw unsupported_param("modalities", "only text is served");
  ordered_json tools = fields.take("tools");
  const ordered_json choice = fields.take("tool_choice");
  if (!choice.is_null() && choice != "auto" && choice != "none")
    throw unsupported_param("tool_choice", "auto and none are served; a model decides itself");
  if (choice == "none") tools = nullptr;
  request.finds_tool_calls = !tools.is_null();
  request.prompts.emplace_back(MessagesJson{
      messages_json(fields.take("messages"), tools, fields.take("chat_template_kwargs"))});
  request.options.json_schema = schema_of(fields.take("response_format"));
  request.options.logprobs = fields.boolean("logprobs");
  const auto top = fields.integer("top_logprobs", 0, 20);
  if (top && !request.options.logprobs) throw bad_param("top_logprobs", "only with logprobs");
  request.options.top_logprobs = static_cast<std::uint32_t>(top.value_or(0));
  if (request.finds_tool_calls && request.options.logprobs)
    throw unsupported_param("logprobs", "not beside tools");
}

Prompt prompt_of(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  Tokens tokens;
  if (value.is_array())
    for (const ordered_json& token : value) {
      const bool is_token = token.is_number_integer() && token >= 0 &&
                            token <= std::numeric_limits<std::int32_t>::max();
      if (!is_token) throw bad_param("prompt", "token ids are expected, or strings");
      tokens.ids.push_back(token.get<std::int32_t>());
    }
  if (tokens.ids.empty())
    throw bad_param("prompt", "a string, token ids, or an array of those is expected");
  return tokens;
}

void read_completions(Fields& fields, ApiRequest& request) {
  const ordered_json prompt = fields.take("prompt");
  const bool is_many = prompt.is_array() && !prompt.empty() && !prompt.front().is_number();
  if (is_many)
    for (const ordered_json& one : prompt) request.prompts.push_back(prompt_of(one));
  else
    request.prompts.push_back(prompt_of(prompt));
  if (fields.boolean("echo")) throw unsupported_param("echo", "the prompt is not repeated");
  const auto best_of = fields.integer("best_of", 1, 20);
  if (best_of && *best_of != 1) throw unsupported_param("best_of", "only 1 is served");
  const auto logprobs = fields.integer("logprobs", 0, 20);
  request.options.logprobs = logprobs.has_value();
  request.options.top_logprobs = static_cast<std::uint32_t>(logprobs.value_or(0));
  // As OpenAI's own.
  if (!request.options.max_tokens) request.options.max_tokens = 16;
}

}  // namespace

ApiRequest parse_request(Endpoint endpoint, std::string_view body) {
  ordered_json json = parse_bounded(body);
  if (!json.is_object())
    throw ApiError(400, "invalid_request_error", "the body is no JSON object, or nested too deep",
                   {}, "invalid_json");
  Fields fields(std::move(json));
  ApiRequest request;
  request.endpoint = endpoint;
  request.model = fields.text("model");
  read_length(fields, request.options);
  read_sampling(fields, request.options);
  read_stream(fields, request);
  request.choices = static_cast<std::uint32_t>(fields.integer("n", 1, kMostChoices).value_or(1));
  if (endpoint == Endpoint::chat)
    read_chat(fields, request);
  else
    read_completions(fields, request);
  if (request.prompts.size() * request.choices > kMostChoices)
    throw bad_param("n", "at most " + std::to_string(kMostChoices) + " choices in all");
  fields.finish();
  return request;
}

}  // namespace gpumodel_openai
