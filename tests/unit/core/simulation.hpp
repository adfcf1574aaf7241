// Random traces against a World. A trace is plain data, and every part of one is again a trace:
// what an operation means is decided by what there is when it runs. So a failing one can be shrunk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gpumodel::test {

struct Operation {
  enum class Kind {
    open,
    close,
    acquire,
    cancel,
    release,
    release_stale,
    use,
    end_use,
    answer,
    lose,
    progress,
    late,
    advance,
    set_model,
    remove_model,
    prefetch,
    unload,
    pin,
    yield,
    unyield,
    revoke,
    drain,
    foreign,
    pressure,
    lose_image
  };
  Kind kind = Kind::advance;
  std::uint32_t a = 0, b = 0, c = 0;
};
using Trace = std::vector<Operation>;

struct Outcome {
  std::uint64_t events = 0;
  std::optional<std::string> violation;
  std::vector<std::string> log;  // where asked for
};

Trace make_trace(std::uint64_t seed, std::size_t length);
// The devices and models come from the seed as well.
Outcome run_trace(std::uint64_t seed, const Trace& trace, bool log = false);
// Leaves out what is not needed for a violation, until nothing more can be left out.
Trace shrink(std::uint64_t seed, Trace trace);
std::string describe(std::uint64_t seed, const Trace& trace);

}  // namespace gpumodel::test
