// Python's str operations on text with origins; shared by methods and filters.
#pragma once

#include <functional>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

enum class Side { kLeft, kRight, kBoth };

// Without `characters`: white space.
OriginText strip(Runtime& runtime, const OriginText& text, const OriginText* characters, Side side);
// At most `count` replacements from the left; all where negative.
OriginText replace(Runtime& runtime, const OriginText& text, const OriginText& from,
                   const OriginText& to, std::int64_t count);
OriginText upper(Runtime& runtime, const OriginText& text);
OriginText lower(Runtime& runtime, const OriginText& text);
OriginText capitalize(Runtime& runtime, const OriginText& text);
OriginText swap_case(Runtime& runtime, const OriginText& text);
// str.title: every run of cased characters begins upper-case.
OriginText title(Runtime& runtime, const OriginText& text);
// The `title` filter: words begin after white space and -({[< only.
OriginText title_words(Runtime& runtime, const OriginText& text);
// str.splitlines().
std::vector<OriginText> split_lines(Runtime& runtime, const OriginText& text,
                                    bool keep_ends = false);
// str.split and str.rsplit; without `separator` at runs of white space. `limit` < 0: no limit.
std::vector<OriginText> split(Runtime& runtime, const OriginText& text, const OriginText* separator,
                              std::int64_t limit, bool from_right);
bool is_lower_text(const std::string& text);
bool is_upper_text(const std::string& text);

}  // namespace gpumodel::engine::text::jinja
