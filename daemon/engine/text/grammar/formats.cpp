#include "engine/text/grammar/formats.hpp"

#include <array>
#include <utility>

#include "engine/text/grammar/pattern.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

// RFC 3339, section 5.6; a 29th of February is in leap years only.
const std::string kYear = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
const std::string kLeapYear =
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
const std::string kDate = "(?:" + kYear +
                          "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
                          "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" +
                          kLeapYear + "-02-29)";
const std::string kHourAndMinute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
const std::string kTime =
    kHourAndMinute + ":[0-5][0-9](?:\\.[0-9]+)?(?:[Zz]|[+\\-]" + kHourAndMinute + ")";

// RFC 3339, appendix A.
const std::string kDurationTime =
    "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
const std::string kDuration =
    "P(?:(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:" + kDurationTime +
    ")?|" + kDurationTime + "|[0-9]+W)";

// RFC 2673, section 3.2.
const std::string kByte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const std::string kIpv4 = "(?:" + kByte + "\\.){3}" + kByte;

// RFC 4291, section 2.2: `groups` before the "::" at most, the rest behind it.
std::string ipv6() {
  const std::string group = "[0-9A-Fa-f]{1,4}";
  const std::string last = "(?:" + group + ":" + group + "|" + kIpv4 + ")";
  std::string any = "(?:" + group + ":){6}" + last;
  for (int behind = 5; behind >= 0; --behind) {
    const int before = 5 - behind;
    any += "|(?:(?:" + group + ":){0," + std::to_string(before) + "}" + group + ")?::(?:" + group +
           ":){" + std::to_string(behind) + "}" + last;
  }
  any += "|(?:(?:" + group + ":){0,5}" + group + ")?::" + group;
  any += "|(?:(?:" + group + ":){0,6}" + group + ")?::";
  return "(?:" + any + ")";
}

// RFC 3986, appendix A.
const std::string kPercent = "%[0-9A-Fa-f]{2}";
const std::string kUnreserved = "A-Za-z0-9\\-._~";
const std::string kSubDelimiters = "!$&'()*+,;=";

std::string uri_part(const std::string& others) {
  return "(?:[" + kUnreserved + kSubDelimiters + others + "]|" + kPercent + ")";
}

std::string uri_authority() {
  const std::string literal =
      "\\[(?:" + ipv6() + "|[Vv][0-9A-Fa-f]+\\.[" + kUnreserved + kSubDelimiters + ":]+)\\]";
  return "(?:" + uri_part(":") + "*@)?(?:" + literal + "|" + uri_part("") + "*)(?::[0-9]*)?";
}

std::string uri_tail() {
  return "(?:\\?" + uri_part(":@/?") + "*)?(?:#" + uri_part(":@/?") + "*)?";
}

std::string uri() {
  const std::string segment = uri_part(":@");
  const std::string rootless = segment + "+(?:/" + segment + "*)*";
  return "[A-Za-z][A-Za-z0-9+.\\-]*:(?://" + uri_authority() + "(?:/" + segment +
         "*)*|/(?:" + rootless + ")?|" + rootless + "|)" + uri_tail();
}

std::string uri_reference() {
  const std::string segment = uri_part(":@");
  const std::string rootless = segment + "+(?:/" + segment + "*)*";
  const std::string relative = uri_part("@") + "+(?:/" + segment + "*)*";
  return "(?:" + uri() + "|(?://" + uri_authority() + "(?:/" + segment + "*)*|/(?:" + rootless +
         ")?|" + relative + "|)" + uri_tail() + ")";
}

// RFC 5321, section 4.1.2, without the obsolete forms.
std::string email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]+";
  const std::string quoted = "\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\"";
  const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,61}[A-Za-z0-9])?";
  return "(?:" + atom + "(?:\\." + atom + ")*|" + quoted + ")@(?:" + label + "(?:\\." + label +
         ")*|\\[" + kIpv4 + "\\]|\\[IPv6:" + ipv6() + "\\])";
}

const std::string kJsonPointer = "(?:/(?:[^~/]|~[01])*)*";

struct Format {
  const char* name;
  std::string (*expression)();
};

constexpr std::array kHonoured = {
    Format{"date", [] { return kDate; }},
    Format{"time", [] { return kTime; }},
    Format{"date-time", [] { return kDate + "[Tt]" + kTime; }},
    Format{"duration", [] { return kDuration; }},
    Format{"email", email},
    Format{"ipv4", [] { return kIpv4; }},
    Format{"ipv6", ipv6},
    Format{"uri", uri},
    Format{"uri-reference", uri_reference},
    Format{"uuid",
           [] {
             return std::string(
                 "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}");
           }},
    Format{"json-pointer", [] { return kJsonPointer; }},
    // draft-bhutton-relative-json-pointer-00, section 3. Programs that check it refuse a 0 before
    // another digit, which it allows: such numbers do not come.
    Format{"relative-json-pointer", [] { return "(?:0|[1-9]+0?)(?:#|" + kJsonPointer + ")"; }},
};

constexpr std::array kRefused = {"hostname",      "idn-email", "idn-hostname", "iri",
                                 "iri-reference", "regex",     "uri-template"};

const Format* find_format(const std::string& name) {
  for (const Format& format : kHonoured)
    if (name == format.name) return &format;
  return nullptr;
}

}  // namespace

FormatKind format_kind(const std::string& name) {
  if (find_format(name) != nullptr) return FormatKind::honoured;
  for (const char* refused : kRefused)
    if (name == refused) return FormatKind::refused;
  return FormatKind::annotation;
}

Automaton format_language(const std::string& name) {
  return matching(find_format(name)->expression(), Reading::certain);
}

}  // namespace gpumodel::engine::text::grammar
