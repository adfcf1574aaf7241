// Users who always want a device that holds one of their models: their shares of its time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpumodel::test {

// What is unfair, in words; nothing: at the end of each turn the shares of any two who wanted it
// all the time differed by no more than the longest turn and one quantum. A user who comes back
// after a while counts from then, and by twice as much: the others may just have had a turn.
std::optional<std::string> unfair_shares(std::uint64_t seed);

}  // namespace gpumodel::test
