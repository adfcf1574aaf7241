// format % arguments, of print.hpp.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "engine/text/jinja/format_support.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

double as_real_argument(Runtime& runtime, const Value& value) {
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (!value.is_number())
    runtime.fail(fmt::format("must be real number, not {}", type_name(value)));
  return value.as_real();
}

struct PercentSpec {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  std::size_t width = 0;
  int precision = -1;
  char kind = 0;
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const StringData& format, const Value& arguments)
      : runtime_(runtime),
        format_(format.text),
        text_(format_.bytes()),
        arguments_(arguments),
        out_(runtime) {}
  OriginText run();

 private:
  void conversion();
  PercentSpec parse_spec();
  std::string mapping_key();
  Value next_argument();
  void write(const PercentSpec& spec, const Value& value);
  OriginText number(const PercentSpec& spec, const Value& value);

  Runtime& runtime_;
  const OriginText& format_;
  const std::string& text_;
  const Value& arguments_;
  TextBuilder out_;
  std::size_t at_ = 0;
  std::size_t used_ = 0;
  const Value* keyed_ = nullptr;
  bool keyed_used_ = false;
};

Value PercentFormatter::next_argument() {
  if (keyed_ != nullptr) return *keyed_;
  if (arguments_.is(Type::kTuple)) {
    const Values& items = arguments_.get<SequenceData>().items;
    if (used_ >= items.size()) runtime_.fail("not enough arguments for format string");
    return items[used_++];
  }
  if (used_++ > 0) runtime_.fail("not enough arguments for format string");
  return arguments_;
}

std::string PercentFormatter::mapping_key() {
  const std::size_t begin = at_ + 1;
  std::size_t nesting = 0;
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] == '(') ++nesting;
    if (text_[at_] == ')' && --nesting == 0) {
      ++at_;
      return text_.substr(begin, at_ - 1 - begin);
    }
  }
  runtime_.fail("incomplete format key");
}

PercentSpec PercentFormatter::parse_spec() {
  PercentSpec spec;
  keyed_ = nullptr;
  if (at_ < text_.size() && text_[at_] == '(') {
    if (!arguments_.is(Type::kDict)) runtime_.fail("format requires a mapping");
    const std::string key = mapping_key();
    keyed_ = dict_find(runtime_, arguments_.get<DictData>(), key);
    if (keyed_ == nullptr) runtime_.fail(fmt::format("'{}'", key));
    keyed_used_ = true;
  }
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '-')
      spec.left = true;
    else if (c == '+')
      spec.plus = true;
    else if (c == ' ')
      spec.space = true;
    else if (c == '0')
      spec.zero = true;
    else if (c == '#')
      spec.alternate = true;
    else
      break;
  }
  if (at_ < text_.size() && text_[at_] == '*') runtime_.fail("* is not supported in a format");
  spec.width = parse_number(runtime_, text_, at_);
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    spec.precision = static_cast<int>(parse_number(runtime_, text_, at_));
  }
  while (at_ < text_.size() && (text_[at_] == 'l' || text_[at_] == 'h' || text_[at_] == 'L')) ++at_;
  if (at_ >= text_.size()) runtime_.fail("incomplete format");
  spec.kind = text_[at_++];
  return spec;
}

OriginText PercentFormatter::number(const PercentSpec& spec, const Value& value) {
  std::string digits;
  bool negative = false;
  if (std::string_view("diuoxX").find(spec.kind) != std::string_view::npos) {
    if (value.is(Type::kUndefined)) fail_undefined(runtime_, value);
    const bool decimal = spec.kind == 'd' || spec.kind == 'i' || spec.kind == 'u';
    if (!value.is_integral() && !(decimal && value.is(Type::kFloat)))
      runtime_.fail(fmt::format("%{} format: {} is required, not {}", spec.kind,
                                decimal ? "a real number" : "an integer", type_name(value)));
    if (value.is(Type::kFloat) && !(std::fabs(value.as_real()) < 9.2e18))
      runtime_.fail("cannot convert this float to an integer of 64 bits");
    const std::int64_t integer =
        value.is(Type::kFloat) ? static_cast<std::int64_t>(value.as_real()) : value.as_int();
    negative = integer < 0;
    digits = integer_digits(integer, decimal ? 10 : spec.kind == 'o' ? 8 : 16);
    if (spec.precision > static_cast<int>(digits.size()))
      digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
    if (spec.alternate && !decimal)
      digits = fmt::format("0{}{}", spec.kind == 'o' ? 'o' : 'x', digits);
    if (spec.kind == 'X') std::transform(digits.begin(), digits.end(), digits.begin(), ascii_upper);
  } else {
    const double real = as_real_argument(runtime_, value);
    negative = std::signbit(real) && !std::isnan(real);
    digits = real_digits(runtime_, std::fabs(real), spec.kind,
                         spec.precision < 0 ? 6 : spec.precision, spec.alternate);
  }
  const char* sign = negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
  return plain(fmt::format("{}{}", sign, digits));
}

void PercentFormatter::write(const PercentSpec& spec, const Value& value) {
  OriginText body;
  bool numeric = false;
  switch (spec.kind) {
    case 's':
      body = to_text(runtime_, value);
      break;
    case 'a':
    case 'r': {
      TextBuilder repr(runtime_);
      append_repr(runtime_, repr, value);
      body = repr.take();
      break;
    }
    case 'c':
      if (value.is(Type::kString) && value.get<StringData>().length == 1) {
        body = value.get<StringData>().text;
      } else if (value.is_integral() && value.as_int() >= 0 && value.as_int() <= 0x10FFFF &&
                 (value.as_int() < 0xD800 || value.as_int() > 0xDFFF)) {
        std::string character;
        append_utf8(character, static_cast<char32_t>(value.as_int()));
        body = plain(character);
      } else {
        runtime_.fail("%c requires int or char");
      }
      break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      body = number(spec, value);
      numeric = true;
      break;
    default:
      runtime_.fail(fmt::format("unsupported format character '{}'", spec.kind));
  }
  if (!numeric && spec.precision >= 0) body = cut(body, static_cast<std::size_t>(spec.precision));
  const bool zero = numeric && spec.zero && !spec.left;
  append_padded(runtime_, out_, body, spec.width,
                spec.left ? '<'
                : zero    ? '='
                          : '>',
                zero ? "0" : " ");
}

void PercentFormatter::conversion() {
  ++at_;
  const PercentSpec spec = parse_spec();
  if (spec.kind == '%') {
    out_.append("%", format_.origin_at(at_ - 1));
    return;
  }
  write(spec, next_argument());
}

OriginText PercentFormatter::run() {
  while (at_ < text_.size()) {
    const std::size_t percent = std::min(text_.find('%', at_), text_.size());
    out_.append(format_, at_, percent - at_);
    at_ = percent;
    if (at_ < text_.size()) conversion();
  }
  // Python lets mappings, and everything with an index, go unused.
  const bool may_be_unused = keyed_used_ || arguments_.is(Type::kDict) ||
                             arguments_.is(Type::kList) || arguments_.is(Type::kUndefined) ||
                             arguments_.is(Type::kRange);
  const std::size_t given =
      arguments_.is(Type::kTuple) ? arguments_.get<SequenceData>().items.size() : 1;
  if (!may_be_unused && used_ < given)
    runtime_.fail("not all arguments converted during string formatting");
  return out_.take();
}

}  // namespace

Value percent_format(Runtime& runtime, const Value& format, const Value& arguments) {
  const auto& string = format.get<StringData>();
  return runtime.string(PercentFormatter(runtime, string, arguments).run(), string.markup);
}

}  // namespace gpumodel::engine::text::jinja
