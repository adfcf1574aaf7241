// What a kernel did that a GPU would not answer for.
#pragma once

#include <stdexcept>
#include <string>

namespace gpumodel::test::simt {

enum class FaultKind {
  out_of_bounds,      // an access outside of its buffer
  misaligned,         // a vector access that is not aligned to its size
  race,               // two threads, one of them writing, with nothing that orders them
  divergent_barrier,  // threads wait for each other at different places, for ever
  warp_mask           // lanes of a warp operation that do not agree on who takes part
};

class Fault : public std::runtime_error {
 public:
  Fault(FaultKind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  FaultKind kind() const { return kind_; }

 private:
  FaultKind kind_;
};

}  // namespace gpumodel::test::simt
