// Output that goes on until somebody has seen enough: a report drawn again and again, or lines as
// they come.
#pragma once

#include <gpumodel.h>

#include <chrono>
#include <optional>
#include <string>

#include "gpumodelctl/terminal.hpp"

namespace gpumodelctl {

// Standard output of such a command, and what ends it: q on a terminal, SIGINT or SIGTERM (an
// InterruptGuard lives meanwhile), a reader that has gone.
class Screen {
 public:
  // `redraw`: each frame replaces the one before, where output is a terminal.
  explicit Screen(bool redraw);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  bool redraws() const { return terminal_.has_value(); }
  // A whole frame, or lines; false: nobody reads any more.
  bool show(const std::string& text);

  // `changed`: the terminal has another size, or is ours again; what stood on it is gone.
  enum class Woken { time, client, key, changed, ended };
  // Waits until the limit, or until something came for the client.
  Woken wait(gm_client* client, std::chrono::milliseconds limit);
  // The one that wait() told of.
  char key() const { return key_; }

 private:
  std::optional<Terminal> terminal_;
  char key_ = 0;
};

// `text` as it stands on a terminal of `rows` rows from the top left corner, whatever stood there:
// every line clears its rest, what does not fit is left out. The caller has switched wrapping off.
std::string frame(const std::string& text, std::size_t rows);

}  // namespace gpumodelctl
