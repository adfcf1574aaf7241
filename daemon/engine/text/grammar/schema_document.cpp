#include "engine/text/grammar/schema_document.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "engine/text/grammar/schema_keywords.hpp"
#include "engine/text/utf8.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxSchemaBytes = 256 * 1024;
constexpr int kMaxDepth = 64;
constexpr char kNoBase[] = "schema:/";  // of a document without $id

ordered_json parse(std::string_view text) {
  if (text.size() > kMaxSchemaBytes)
    throw Refusal(Refusal::Kind::too_large, "the schema is larger than 256 KiB");
  if (!is_valid_utf8(text)) throw Refusal(Refusal::Kind::malformed, "the schema is not UTF-8");
  const auto watch = [](int depth, ordered_json::parse_event_t, ordered_json&) {
    if (depth > kMaxDepth) throw Refusal(Refusal::Kind::too_large, "the schema is deeper than 64");
    return true;
  };
  try {
    return ordered_json::parse(text, watch);
  } catch (const ordered_json::parse_error& error) {
    throw Refusal(Refusal::Kind::malformed,
                  "the schema is not JSON: at byte " + std::to_string(error.byte));
  } catch (const ordered_json::exception& error) {
    throw Refusal(Refusal::Kind::malformed,
                  std::string("the schema is not JSON that can be held: ") + error.what());
  }
}

std::string escaped(const std::string& key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

Dialect dialect_of(const ordered_json& document) {
  if (!document.is_object() || !document.contains("$schema")) return Dialect::draft2020_12;
  const ordered_json& value = document.at("$schema");
  std::string name = value.is_string() ? value.get<std::string>() : value.dump();
  while (name.ends_with('#')) name.pop_back();
  if (name == "https://json-schema.org/draft/2020-12/schema") return Dialect::draft2020_12;
  if (name == "http://json-schema.org/draft-07/schema") return Dialect::draft7;
  throw Refusal(Refusal::Kind::unsupported,
                "$schema: draft 7 and 2020-12 are served, not " + name + " (/$schema)");
}

struct Uri {
  std::string scheme;     // with ":"
  std::string authority;  // with "//"
  std::string path;
  std::string rest;  // the query, with "?"
};

Uri split(const std::string& text) {
  Uri uri;
  std::string_view left(text);
  const std::size_t colon = left.find_first_of(":/?#");
  if (colon != std::string_view::npos && left[colon] == ':') {
    uri.scheme = left.substr(0, colon + 1);
    left.remove_prefix(colon + 1);
  }
  if (left.starts_with("//")) {
    const std::size_t end = std::min(left.find_first_of("/?", 2), left.size());
    uri.authority = left.substr(0, end);
    left.remove_prefix(end);
  }
  const std::size_t query = std::min(left.find('?'), left.size());
  uri.path = left.substr(0, query);
  uri.rest = left.substr(query);
  return uri;
}

std::string without_dots(const std::string& path) {
  std::vector<std::string> kept;
  std::size_t begin = 0;
  const bool is_absolute = path.starts_with('/');
  std::string last;
  for (begin = is_absolute ? 1 : 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    last = path.substr(begin, end - begin);
    if (last == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (last != ".") {
      kept.push_back(last);
    }
    begin = end + 1;
  }
  if (last == "." || last == "..") kept.emplace_back();
  std::string out = is_absolute ? "/" : "";
  for (std::size_t i = 0; i < kept.size(); ++i) out += (i == 0 ? "" : "/") + kept[i];
  return out;
}

// RFC 6901 in a URI's fragment: percent-encoding, then ~0 and ~1.
std::optional<std::string> percent_decoded(const std::string& text) {
  std::string out;
  const auto digit = [](char c) {
    const std::string_view digits = "0123456789abcdef";
    return static_cast<int>(digits.find(static_cast<char>(c | 0x20)));
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit(text[i + 1]);
    const int low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

const ordered_json* follow(const ordered_json& from, const std::string& pointer) {
  try {
    const ordered_json::json_pointer path(pointer);
    return from.contains(path) ? &from.at(path) : nullptr;
  } catch (const ordered_json::exception&) {
    return nullptr;  // no pointer at all
  }
}

}  // namespace

void refuse(Refusal::Kind kind, const std::string& what, const Schema& schema,
            const std::string& keyword) {
  throw Refusal(kind, keyword + ": " + what + " (" + schema.pointer + "/" + escaped(keyword) + ")");
}

std::string resolve_uri(const std::string& base, const std::string& reference) {
  Uri uri = split(reference);
  if (!uri.scheme.empty()) return reference;
  const Uri from = split(base);
  uri.scheme = from.scheme;
  if (uri.authority.empty()) {
    uri.authority = from.authority;
    if (uri.path.empty()) {
      uri.path = from.path;
      if (uri.rest.empty()) uri.rest = from.rest;
    } else {
      if (!uri.path.starts_with('/')) {
        const std::size_t slash = from.path.rfind('/');
        const std::string folder =
            slash == std::string::npos ? std::string() : from.path.substr(0, slash + 1);
        uri.path = (folder.empty() && !from.authority.empty() ? "/" : folder) + uri.path;
      }
      uri.path = without_dots(uri.path);
    }
  }
  return uri.scheme + uri.authority + uri.path + uri.rest;
}

SchemaDocument::SchemaDocument(std::string_view text) : document_(parse(text)) {
  if (!document_.is_object() && !document_.is_boolean())
    throw Refusal(Refusal::Kind::malformed, "the schema is neither an object nor a boolean");
  dialect_ = dialect_of(document_);
  find(document_, "", kNoBase);
}

void SchemaDocument::find(const ordered_json& value, const std::string& pointer,
                          const std::string& base) {
  schemas_.push_back(std::make_unique<Schema>());
  Schema& schema = *schemas_.back();
  schema = {static_cast<int>(schemas_.size() - 1), &value, pointer, base, pointer.empty()};
  by_value_[&value] = &schema;
  if (pointer.empty()) by_uri_[base] = &schema;
  if (!value.is_object()) return;
  for (const auto& [name, inside] : value.items()) {
    const Keyword* const keyword = find_keyword(name);
    if (keyword == nullptr) continue;
    const bool is_known = dialect_ == Dialect::draft7 ? keyword->in_draft7 : keyword->in_2020_12;
    if (!is_known && !keyword->instead.empty())
      refuse(Refusal::Kind::unsupported,
             "not a keyword of this draft; use " + std::string(keyword->instead) +
                 ", or name the draft in $schema",
             schema, name);
    if (is_known && !is_well_formed(*keyword, inside))
      refuse(Refusal::Kind::malformed, "is not " + std::string(keyword->form), schema, name);
  }
  name(schema);
  // Draft 7: beside $ref nothing counts.
  if (dialect_ == Dialect::draft7 && schema.has("$ref")) {
    for (const char* definitions : {"definitions", "$defs"})
      if (schema.has(definitions)) find_inside(schema, definitions, schema.at(definitions));
    return;
  }
  for (const auto& [name, inside] : value.items()) find_inside(schema, name, inside);
}

void SchemaDocument::name(Schema& schema) {
  const bool is_hidden = dialect_ == Dialect::draft7 && schema.has("$ref");
  if (schema.has("$schema") && !schema.pointer.empty() && dialect_of(*schema.value) != dialect_)
    refuse(Refusal::Kind::unsupported, "another draft inside a schema", schema, "$schema");
  if (schema.has("$id") && !is_hidden) {
    const auto& id = schema.at("$id").get_ref<const std::string&>();
    const std::size_t hash = id.find('#');
    const std::string uri = id.substr(0, hash);
    if (!uri.empty()) {
      schema.base = resolve_uri(schema.base, uri);
      schema.is_resource = true;
      by_uri_.emplace(schema.base, &schema);
    }
    if (hash != std::string::npos && hash + 1 < id.size())
      by_uri_.emplace(schema.base + id.substr(hash), &schema);
  }
  if (dialect_ == Dialect::draft7) return;
  for (const char* keyword : {"$anchor", "$dynamicAnchor"})
    if (schema.has(keyword))
      by_uri_.emplace(schema.base + "#" + schema.at(keyword).get<std::string>(), &schema);
}

void SchemaDocument::find_inside(const Schema& schema, const std::string& keyword_name,
                                 const ordered_json& value) {
  const Keyword* const keyword = find_keyword(keyword_name);
  if (keyword == nullptr || keyword->holds == Holds::nothing) return;
  if (!(dialect_ == Dialect::draft7 ? keyword->in_draft7 : keyword->in_2020_12)) return;
  const std::string pointer = schema.pointer + "/" + escaped(keyword_name);
  if (keyword->holds == Holds::schema ||
      (keyword->holds == Holds::schema_or_schemas && !value.is_array())) {
    find(value, pointer, schema.base);
    return;
  }
  if (keyword->holds == Holds::schema_or_schemas && dialect_ == Dialect::draft2020_12)
    refuse(Refusal::Kind::unsupported,
           "an array of schemas is draft 7; use prefixItems, or name the draft in $schema", schema,
           keyword_name);
  for (const auto& [key, inside] : value.items()) {
    if (keyword->holds == Holds::dependencies && inside.is_array()) continue;
    find(inside, pointer + "/" + escaped(key), schema.base);
  }
}

const Schema& SchemaDocument::resolve(const Schema& schema) const {
  const auto& reference = schema.at("$ref").get_ref<const std::string&>();
  const std::size_t hash = std::min(reference.find('#'), reference.size());
  const std::string fragment = reference.substr(std::min(hash + 1, reference.size()));
  const std::string uri =
      hash == 0 ? schema.base : resolve_uri(schema.base, reference.substr(0, hash));
  const auto resource = by_uri_.find(uri);
  if (resource == by_uri_.end())
    refuse(Refusal::Kind::unsupported,
           "\"" + reference + "\" is not in this document, and nothing is fetched", schema, "$ref");
  if (fragment.empty()) return *resource->second;
  if (const auto anchor = by_uri_.find(uri + "#" + fragment); anchor != by_uri_.end())
    return *anchor->second;
  const std::optional<std::string> pointer = percent_decoded(fragment);
  if (pointer && pointer->starts_with('/')) {
    const ordered_json* const target = follow(*resource->second->value, *pointer);
    if (target != nullptr) {
      const auto known = by_value_.find(target);
      if (known != by_value_.end()) return *known->second;
      refuse(Refusal::Kind::unsupported,
             "\"" + reference + "\" leads to where no keyword holds a schema", schema, "$ref");
    }
  }
  refuse(Refusal::Kind::malformed, "\"" + reference + "\" leads nowhere", schema, "$ref");
}

}  // namespace gpumodel::engine::text::grammar
