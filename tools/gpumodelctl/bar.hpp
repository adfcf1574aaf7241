// A bar of a fixed width, divided among the owners of something.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpumodelctl/format.hpp"
#include "gpumodelctl/view.hpp"

namespace gpumodelctl {

struct Share {
  std::string name;
  std::uint64_t amount = 0;
  char letter = ' ';  // what it is drawn with where there are no colours
  Tone tone = Tone::plain;
  bool is_free = false;  // what nobody owns; lighter
};

// How many of `cells` each share gets: their sum is `cells`, each is as near to its part as it can
// be, and what is above 0 is seen as long as there is room. No cells where nothing has an amount.
std::vector<std::size_t> divide(const std::vector<Share>& shares, std::size_t cells);

// Without the frame around it.
std::string bar(const std::vector<Share>& shares, std::size_t cells, const View& view);

// "# weights 257 MiB  = KV 45.0 MiB": the shares above 0, as the bar draws them.
std::vector<std::string> legend(const std::vector<Share>& shares, const View& view);

}  // namespace gpumodelctl
