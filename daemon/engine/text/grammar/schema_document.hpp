// A JSON Schema as a document: its dialect, its subschemas and what their references mean.
// Sources: JSON Schema draft 7 and 2020-12 (core, sections 8 and 9), RFC 3986, RFC 6901.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/grammar/refusal.hpp"

namespace gpumodel::engine::text::grammar {

using nlohmann::ordered_json;

enum class Dialect { draft7, draft2020_12 };

// One schema or subschema.
struct Schema {
  int id = 0;                           // its place in the order in which they were found
  const ordered_json* value = nullptr;  // a boolean or an object
  std::string pointer;                  // RFC 6901, from the document's root
  std::string base;                     // the URI that its references are relative to
  bool is_resource = false;             // has an $id of its own, or is the document

  bool has(const char* keyword) const { return value->is_object() && value->contains(keyword); }
  const ordered_json& at(const char* keyword) const { return value->at(keyword); }
};

// Refusal{kind} that ends in "(/pointer/keyword)".
[[noreturn]] void refuse(Refusal::Kind kind, const std::string& what, const Schema& schema,
                         const std::string& keyword);

// Immutable, not moved; schemas live as long as it does.
class SchemaDocument {
 public:
  // Throws Refusal: not JSON (with the offset), deeper than 64, larger than 256 KiB, a keyword of
  // another dialect, a keyword whose value has the wrong type, a $schema other than draft 7 and
  // 2020-12. Without $schema it is 2020-12.
  explicit SchemaDocument(std::string_view text);
  SchemaDocument(const SchemaDocument&) = delete;
  SchemaDocument& operator=(const SchemaDocument&) = delete;

  Dialect dialect() const { return dialect_; }
  const Schema& root() const { return *schemas_.front(); }
  // The subschema that is the value at `pointer` below `of`'s keyword; what is asked for was found
  // by the constructor, as all places of the dialect's vocabulary are.
  const Schema& at(const ordered_json& value) const { return *by_value_.at(&value); }
  // What $ref of `schema` means. Throws Refusal where it leaves the document or leads nowhere.
  const Schema& resolve(const Schema& schema) const;

 private:
  void find(const ordered_json& value, const std::string& pointer, const std::string& base);
  void find_inside(const Schema& schema, const std::string& keyword, const ordered_json& value);
  void name(Schema& schema);

  ordered_json document_;
  Dialect dialect_ = Dialect::draft2020_12;
  std::vector<std::unique_ptr<Schema>> schemas_;
  std::unordered_map<const ordered_json*, const Schema*> by_value_;
  std::map<std::string, const Schema*> by_uri_;
};

// RFC 3986, section 5.2, without the checks.
std::string resolve_uri(const std::string& base, const std::string& reference);

}  // namespace gpumodel::engine::text::grammar
