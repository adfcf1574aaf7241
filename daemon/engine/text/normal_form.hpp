// The Unicode normalisation forms (UAX #15), with Unicode 9's data as in `tokenizers`.
#pragma once

#include "engine/text/traced_text.hpp"

namespace gpumodel::engine::text {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Time is n log n in the longest run of combining marks, otherwise linear; text that is plainly in
// the form already (ASCII for one) is not copied. `text.bytes` is well-formed UTF-8.
void apply_normal_form(TracedText& text, NormalForm form);

}  // namespace gpumodel::engine::text
