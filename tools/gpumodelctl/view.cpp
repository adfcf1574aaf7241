#include "gpumodelctl/view.hpp"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

// The first of these that is set names the encoding (locale(7)).
bool is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || value[0] == '\0') continue;
    return strcasestr(value, "utf-8") != nullptr || strcasestr(value, "utf8") != nullptr;
  }
  return false;
}

}  // namespace

View view_of(int fd) {
  View view;
  if (isatty(fd) == 0) return view;
  winsize size{};
  view.columns = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : 80;
  view.colour = wants_colour(fd);
  view.blocks = is_utf8();
  return view;
}

}  // namespace gpumodelctl
