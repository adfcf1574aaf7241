#include "engine/text/post_processor.hpp"

#include "engine/text/json_node.hpp"
#include "engine/text/vocabulary.hpp"

namespace gpumodel::engine::text {
namespace {

PostProcessor parse_template(const JsonNode& node) {
  PostProcessor result;
  bool text_seen = false;
  for (const JsonNode& piece : node.at("single").items()) {
    if (piece.has("Sequence")) {
      const JsonNode sequence = piece.at("Sequence");
      if (sequence.string("id") != "A") sequence.unsupported("id");
      if (text_seen) piece.fail("the text is there twice");
      text_seen = true;
      continue;
    }
    const std::string name = piece.at("SpecialToken").string("id");
    for (const JsonNode& id : node.at("special_tokens").at(name).at("ids").items()) {
      const auto value = static_cast<std::int32_t>(id.integer(0, kMaxTokenId));
      (text_seen ? result.behind : result.before).push_back(value);
    }
  }
  if (!text_seen) node.at("single").fail("has no place for the text");
  return result;
}

void collect_templates(const JsonNode& node, std::vector<JsonNode>& templates) {
  const std::string type = node.type();
  if (type == "Sequence") {
    for (const JsonNode& item : node.at("processors").items()) collect_templates(item, templates);
  } else if (type == "TemplateProcessing") {
    templates.push_back(node);
  } else if (type != "ByteLevel") {
    node.unsupported("type");
  }
}

}  // namespace

PostProcessor PostProcessor::parse(const JsonNode& node) {
  if (node.is_null()) return {};
  std::vector<JsonNode> templates;
  collect_templates(node, templates);
  if (templates.empty()) return {};
  if (templates.size() > 1) node.fail("more than one TemplateProcessing is not supported");
  return parse_template(templates.front());
}

}  // namespace gpumodel::engine::text
