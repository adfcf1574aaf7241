#include "engine/text/chat_template.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/text/jinja/from_json.hpp"
#include "engine/text/jinja/globals.hpp"
#include "engine/text/jinja/interpreter.hpp"
#include "engine/text/jinja/parser.hpp"

namespace gpumodel::engine::text {
namespace {

// The largest known chat templates have some 20 KiB.
constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;

void add_members(jinja::Runtime& runtime, jinja::Scope& scope,
                 const nlohmann::ordered_json& members, jinja::Origin origin) {
  if (!members.is_object()) runtime.fail("a template's input must be an object");
  for (const auto& [name, value] : members.items())
    scope.assign(runtime, name, jinja::from_json(runtime, value, origin));
}

}  // namespace

TemplateError::TemplateError(int line, const std::string& reason)
    : std::runtime_error(line > 0 ? fmt::format("template line {}: {}", line, reason) : reason),
      line_(line),
      reason_(reason) {}

ChatTemplate ChatTemplate::parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes)
    throw TemplateError(0, fmt::format("the template is larger than {} bytes", kMaxSourceBytes));
  return ChatTemplate(std::make_shared<const jinja::Block>(jinja::parse_template(source)));
}

std::vector<Segment> ChatTemplate::render(const nlohmann::ordered_json& context,
                                          const nlohmann::ordered_json& trusted,
                                          const TemplateLimits& limits) const {
  jinja::Runtime runtime(limits);
  auto globals = std::make_shared<jinja::Scope>(nullptr);
  jinja::add_globals(runtime, *globals);
  auto variables = std::make_shared<jinja::Scope>(std::move(globals));
  add_members(runtime, *variables, trusted, jinja::Origin::kTemplate);
  add_members(runtime, *variables, context, jinja::Origin::kInput);
  return jinja::Interpreter(runtime, std::move(variables)).run(*body_).segments();
}

std::vector<Segment> ChatTemplate::render(const nlohmann::ordered_json& context,
                                          const TemplateLimits& limits) const {
  return render(context, nlohmann::ordered_json::object(), limits);
}

}  // namespace gpumodel::engine::text
