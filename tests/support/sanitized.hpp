// Whether a sanitizer watches: tests that measure memory then step back, and long ones take samples.
#pragma once

namespace gpumodel::test {

#ifdef GPUMODEL_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace gpumodel::test
