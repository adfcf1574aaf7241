#include "engine/text/tokenizer_file.hpp"

#include <fmt/core.h>

#include "engine/io/bad_model.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxDepth = 32;

using nlohmann::json;

[[noreturn]] void fail(const std::string& reason) {
  throw BadModel(std::string(kTokenizerFile), reason);
}

// Receives nlohmann's parse events; builds `rest` as a document and the tables directly.
class Reader {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  explicit Reader(TokenizerFile& file) : file_(file) {}

  bool null() { return value(nullptr); }
  bool boolean(bool v) { return value(v); }
  bool number_integer(number_integer_t v) { return value(v); }
  bool number_float(number_float_t v, const string_t&) { return value(v); }
  bool binary(binary_t&) { fail("binary values are not JSON"); }

  bool number_unsigned(number_unsigned_t v) {
    if (table_ != Table::kVocab) return value(v);
    add_token(v);
    return true;
  }

  bool string(string_t& v) {
    if (table_ != Table::kMerges) return value(std::move(v));
    add_merge_part(v);
    return true;
  }

  bool start_object(std::size_t) {
    if (table_ == Table::kNone && at_model_key("vocab")) {
      table_ = Table::kVocab;
      file_.vocab_is_object = true;
      return true;
    }
    return open(json::object());
  }

  bool start_array(std::size_t) {
    if (table_ == Table::kNone && at_model_key("merges")) {
      table_ = Table::kMerges;
      file_.has_merges = true;
      return true;
    }
    if (table_ == Table::kMerges && pair_parts_ < 0) {
      pair_parts_ = 0;
      return true;
    }
    return open(json::array());
  }

  bool key(string_t& name) {
    if (table_ == Table::kNone) {
      json& object = *open_.back();
      if (object.contains(name) || is_table_read(name)) {
        fail(fmt::format("the key {} is there twice", json(name).dump()));
      }
    }
    key_ = std::move(name);
    return true;
  }

  bool end_object() { return close(); }

  bool end_array() {
    if (table_ == Table::kMerges && pair_parts_ >= 0) {
      if (pair_parts_ != 2) fail_merge();
      pair_parts_ = -1;
      return true;
    }
    return close();
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception&) {
    fail(fmt::format("not valid JSON at byte {}", position));
  }

 private:
  enum class Table { kNone, kVocab, kMerges };

  bool in_model() const { return open_.size() == 2 && outer_key_ == "model"; }
  bool at_model_key(std::string_view name) const {
    return in_model() && open_.back()->is_object() && key_ == name;
  }
  bool is_table_read(std::string_view name) const {
    return in_model() &&
           ((name == "vocab" && file_.vocab_is_object) || (name == "merges" && file_.has_merges));
  }

  template <typename T>
  bool value(T&& v) {
    insert(json(std::forward<T>(v)));
    return true;
  }

  json& insert(json v) {
    if (table_ == Table::kVocab) fail("model.vocab: an id is not a whole number from 0 up");
    if (table_ == Table::kMerges) fail_merge();
    if (open_.empty()) {
      file_.rest = std::move(v);
      return file_.rest;
    }
    json& into = *open_.back();
    if (into.is_array()) {
      into.push_back(std::move(v));
      return into.back();
    }
    return into[key_] = std::move(v);
  }

  bool open(json container) {
    if (open_.size() >= kMaxDepth) fail("nested too deeply");
    if (open_.size() == 1) outer_key_ = key_;
    open_.push_back(&insert(std::move(container)));
    return true;
  }

  bool close() {
    if (table_ != Table::kNone) {
      table_ = Table::kNone;
    } else {
      open_.pop_back();
    }
    return true;
  }

  void add_token(number_unsigned_t id) {
    if (id > static_cast<number_unsigned_t>(kMaxTokenId)) {
      fail(fmt::format("model.vocab: the id {} is larger than {}", id, kMaxTokenId));
    }
    switch (file_.vocab.add(key_, static_cast<std::int32_t>(id))) {
      case Vocabulary::Added::kYes:
        return;
      case Vocabulary::Added::kDuplicateToken:
        fail(fmt::format("model.vocab: the token {} is there twice", json(key_).dump()));
      case Vocabulary::Added::kDuplicateId:
        fail(fmt::format("model.vocab: the id {} is there twice", id));
    }
  }

  void add_merge_part(const std::string& text) {
    const auto offset = static_cast<std::uint32_t>(file_.merge_text.size());
    const auto bytes = static_cast<std::uint32_t>(text.size());
    if (pair_parts_ < 0) {
      const std::size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
        fail_merge();
      }
      const auto left = static_cast<std::uint32_t>(space);
      file_.merge_text.append(text, 0, space).append(text, space + 1);
      file_.merges.push_back({offset, left, bytes - left - 1});
    } else if (pair_parts_ == 0) {
      file_.merge_text.append(text);
      file_.merges.push_back({offset, bytes, 0});
      pair_parts_ = 1;
    } else if (pair_parts_ == 1) {
      file_.merge_text.append(text);
      file_.merges.back().right_bytes = bytes;
      pair_parts_ = 2;
    } else {
      fail_merge();
    }
  }

  [[noreturn]] void fail_merge() const {
    const std::size_t index = file_.merges.size() - (pair_parts_ > 0 ? 1 : 0);
    fail(fmt::format("model.merges[{}]: expected \"a b\" or [\"a\", \"b\"]", index));
  }

  TokenizerFile& file_;
  std::vector<json*> open_;
  std::string key_;
  std::string outer_key_;
  Table table_ = Table::kNone;
  int pair_parts_ = -1;  // strings seen of a ["a", "b"]; -1 outside of one
};

}  // namespace

TokenizerFile TokenizerFile::parse(std::string_view text) {
  if (text.size() > kMaxFileBytes) fail("larger than 256 MiB");
  TokenizerFile file;
  // About a third of a file is the vocabulary, at some 20 bytes for a token.
  file.vocab.reserve(text.size() / 48, text.size() / 5);
  file.merge_text.reserve(text.size() / 4);
  file.merges.reserve(text.size() / 48);
  Reader reader(file);
  json::sax_parse(text, &reader);
  if (!file.rest.is_object()) fail("expected an object");
  return file;
}

}  // namespace gpumodel::engine::text
