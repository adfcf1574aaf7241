// Assertions that stay on in release: a broken invariant is a defect of the core and ends the
// process.
#pragma once

#ifdef GPUMODEL_CORE_MUTANTS
#include <stdexcept>
#else
#include <cstdio>
#include <cstdlib>
#endif

namespace gpumodel::core {

#ifdef GPUMODEL_CORE_MUTANTS
// The copy of the library that simulations run throws instead, so that a failing trace can be
// shrunk.
struct BrokenInvariant : std::logic_error {
  using std::logic_error::logic_error;
};
inline void require(bool holds, const char* what) {
  if (!holds) throw BrokenInvariant(what);
}
#else
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "gpumodel core: broken invariant: %s\n", what);
  std::abort();
}
#endif

}  // namespace gpumodel::core
