#include "engine/text/metaspace.hpp"

#include "engine/text/json_node.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text {

Metaspace Metaspace::parse(const JsonNode& node) {
  Metaspace metaspace;
  append_code_point(metaspace.replacement, node.at("replacement").character());
  metaspace.split = node.boolean("split", true);
  if (node.has("prepend_scheme")) {
    const std::string scheme = node.string("prepend_scheme");
    if (scheme == "never") {
      metaspace.scheme = Scheme::kNever;
    } else if (scheme == "first") {
      metaspace.scheme = Scheme::kFirst;
    } else if (scheme != "always") {
      node.unsupported("prepend_scheme");
    }
  }
  if (!node.boolean("add_prefix_space", true)) {
    if (node.has("prepend_scheme") && metaspace.scheme != Scheme::kNever) {
      node.at("add_prefix_space").fail("contradicts prepend_scheme");
    }
    metaspace.scheme = Scheme::kNever;
  }
  return metaspace;
}

}  // namespace gpumodel::engine::text
