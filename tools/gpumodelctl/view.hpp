// What a report may use of the place that it is shown on.
#pragma once

#include <cstddef>

namespace gpumodelctl {

struct View {
  bool colour = false;
  std::size_t columns = 0;  // 0: as wide as it gets, for pipes and files
  bool blocks = false;      // block characters; else ASCII
};

// Of a descriptor as it is now: of a terminal its width, colours where wants_colour(), and blocks
// where the locale's encoding is UTF-8.
View view_of(int fd);

}  // namespace gpumodelctl
