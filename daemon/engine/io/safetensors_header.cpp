#include "engine/io/safetensors_header.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "engine/io/printable.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr std::string_view kMetadata = "__metadata__";
constexpr std::size_t kMaxDimensions = 32;
constexpr int kMaxSkippedDepth = 64;

// nlohmann's SAX events as a state machine over
// {"__metadata__": {str: str}, name: {"dtype": str, "shape": [n...], "data_offsets": [n, n]}}.
// Returning false stops the parser; `problem` then says why, unless it is the parser's own error.
class HeaderReader {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  TensorMap tensors;
  std::string problem;

  bool null() { return other("null"); }
  bool boolean(bool) { return other("a boolean"); }
  bool number_integer(number_integer_t) { return other("a negative number"); }
  bool number_float(number_float_t, const string_t&) { return other("a fraction"); }
  bool binary(binary_t&) { return false; }

  bool number_unsigned(number_unsigned_t value) {
    if (skipped_depth_ > 0 || state_ == State::skipped) return scalar_done();
    if (state_ == State::shape) return dimension(value);
    if (state_ == State::offsets) return data_offset(value);
    return other("a number");
  }

  bool string(string_t& value) {
    if (skipped_depth_ > 0 || state_ == State::skipped) return scalar_done();
    if (state_ == State::metadata) return true;
    if (state_ != State::dtype) return other("a string");
    entry_.dtype = value;
    has_dtype_ = true;
    state_ = State::tensor;
    return true;
  }

  bool start_object(std::size_t) {
    if (skipped_depth_ > 0 || state_ == State::skipped) return enter_skipped();
    if (state_ == State::start) return go(State::top);
    if (state_ == State::metadata_start) return go(State::metadata);
    if (state_ != State::tensor_start) return other("an object");
    entry_ = TensorEntry{};
    has_dtype_ = has_shape_ = false;
    offsets_ = 0;
    return go(State::tensor);
  }

  bool key(string_t& name) {
    if (skipped_depth_ > 0) return true;
    if (state_ == State::top) return top_key(name);
    if (state_ == State::tensor) return tensor_key(name);
    return true;
  }

  bool end_object() {
    if (skipped_depth_ > 0) return leave_skipped();
    if (state_ == State::top) return go(State::done);
    if (state_ == State::metadata) return go(State::top);
    return finish_tensor();
  }

  bool start_array(std::size_t) {
    if (skipped_depth_ > 0 || state_ == State::skipped) return enter_skipped();
    if (state_ == State::shape_start) return go(State::shape);
    if (state_ == State::offsets_start) return go(State::offsets);
    return other("an array");
  }

  bool end_array() {
    if (skipped_depth_ > 0) return leave_skipped();
    return go(State::tensor);
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    return fail("header is not valid JSON in UTF-8 (at its byte " + std::to_string(position) + ")");
  }

 private:
  enum class State {
    start,
    top,
    metadata_start,
    metadata,
    tensor_start,
    tensor,
    dtype,
    shape_start,
    shape,
    offsets_start,
    offsets,
    skipped,
    done
  };

  bool go(State state) {
    state_ = state;
    return true;
  }

  bool fail(std::string what) {
    if (problem.empty()) problem = std::move(what);
    return false;
  }

  // A value of a kind that this place does not take.
  bool other(const char* kind) {
    if (skipped_depth_ > 0 || state_ == State::skipped) return scalar_done();
    switch (state_) {
      case State::start:
        return fail("header is not a JSON object");
      case State::metadata_start:
      case State::metadata:
        return fail("header's __metadata__ is not a map of strings");
      default:
        return fail("header has " + std::string(kind) + " where it does not belong, at tensor " +
                    shown_name());
    }
  }

  bool scalar_done() {
    if (skipped_depth_ == 0) state_ = State::tensor;
    return true;
  }

  bool enter_skipped() {
    if (++skipped_depth_ > kMaxSkippedDepth) return fail("header is nested too deep");
    return true;
  }

  bool leave_skipped() {
    if (--skipped_depth_ == 0) state_ = State::tensor;
    return true;
  }

  bool top_key(const string_t& name) {
    if (name == kMetadata) {
      if (has_metadata_) return fail("header has __metadata__ twice");
      has_metadata_ = true;
      return go(State::metadata_start);
    }
    name_ = name;
    return go(State::tensor_start);
  }

  bool tensor_key(const string_t& field) {
    const bool repeated = (field == "dtype" && has_dtype_) || (field == "shape" && has_shape_) ||
                          (field == "data_offsets" && offsets_ > 0);
    if (repeated) return fail("tensor " + shown_name() + " has " + field + " twice");
    if (field == "dtype") return go(State::dtype);
    if (field == "data_offsets") return go(State::offsets_start);
    if (field != "shape") return go(State::skipped);
    has_shape_ = true;
    return go(State::shape_start);
  }

  bool dimension(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return fail("tensor " + shown_name() + " has a size too large to count");
    }
    if (entry_.shape.size() == kMaxDimensions) {
      return fail("tensor " + shown_name() + " has too many dimensions");
    }
    entry_.shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool data_offset(std::uint64_t value) {
    if (offsets_ == 2) return fail("tensor " + shown_name() + " has too many data_offsets");
    if (offsets_++ == 0) {
      entry_.offset = value;
      return true;
    }
    if (value < entry_.offset) {
      return fail("tensor " + shown_name() + " ends before it begins");
    }
    entry_.bytes = value - entry_.offset;
    return true;
  }

  bool finish_tensor() {
    if (!has_dtype_ || !has_shape_ || offsets_ != 2) {
      return fail("tensor " + shown_name() + " lacks dtype, shape or data_offsets");
    }
    if (!tensors.emplace(std::move(name_), std::move(entry_)).second) {
      return fail("tensor " + shown_name() + " is there twice");
    }
    return go(State::top);
  }

  std::string shown_name() const { return printable(name_); }

  State state_ = State::start;
  int skipped_depth_ = 0;
  std::string name_;
  TensorEntry entry_;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_metadata_ = false;
  int offsets_ = 0;
};

}  // namespace

TensorMap parse_header_json(std::string_view header, const std::string& file) {
  HeaderReader reader;
  // The parser would skip a byte order mark, which neither JSON nor upstream allows.
  const bool marked = header.substr(0, 3) == "\xEF\xBB\xBF";
  const bool read = !marked && nlohmann::json::sax_parse(header.begin(), header.end(), &reader);
  if (!read) {
    throw BadModel(file, reader.problem.empty() ? "header is not valid JSON" : reader.problem);
  }
  return std::move(reader.tensors);
}

}  // namespace gpumodel::engine::io
