// Chat templates: the Jinja2 that Hugging Face model folders ship, as transformers runs it.
//
// The language is that of jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True,
// lstrip_blocks=True, extensions=[loopcontrols]) with transformers' own tojson, raise_exception,
// strftime_now, namespace and {% generation %} (huggingface/transformers,
// utils/chat_template_utils.py). Differences are refusals: include, import, extends, autoescape,
// integers beyond 64 bits, and what TemplateLimits bounds.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "engine/text/segment.hpp"
#include "engine/text/template_error.hpp"
#include "engine/text/template_limits.hpp"

namespace gpumodel::engine::text {

namespace jinja {
struct Block;
}

// A parsed template. Immutable, cheap to copy, and safe to render from several threads at once.
class ChatTemplate {
 public:
  // Throws TemplateError with the line for what is no template, and for unknown tags, filters and
  // tests.
  static ChatTemplate parse(std::string_view source);

  // `context` and `trusted` are objects whose members become the template's variables; a name in
  // `context` hides the same name in `trusted`. Strings of `trusted` (the special tokens) count as
  // the template's own text, those of `context` as input, wherever they end up in the output.
  // Throws TemplateError: the template's own raise_exception() message, a failed operation, or a
  // limit. Adjacent segments differ in from_template, and none is empty.
  std::vector<Segment> render(const nlohmann::ordered_json& context,
                              const nlohmann::ordered_json& trusted,
                              const TemplateLimits& limits) const;
  std::vector<Segment> render(const nlohmann::ordered_json& context,
                              const TemplateLimits& limits = {}) const;

 private:
  explicit ChatTemplate(std::shared_ptr<const jinja::Block> body) : body_(std::move(body)) {}
  std::shared_ptr<const jinja::Block> body_;
};

}  // namespace gpumodel::engine::text
