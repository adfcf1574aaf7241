// Output that goes on until somebody has seen enough: a report drawn again and again, or lines as
// they come.
#pragma once

#include <gpumodel.h>
#include <termios.h>

#include <chrono>
#include <string>

namespace gpumodelctl {

// Standard output of such a command, and what ends it: q on a terminal, SIGINT or SIGTERM (an
// InterruptGuard lives meanwhile), a reader that has gone.
class Screen {
 public:
  // `redraw`: each frame replaces the one before, where output is a terminal; the terminal is as it
  // was when the object goes.
  explicit Screen(bool redraw);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // A whole frame, or lines; false: nobody reads any more.
  bool show(const std::string& text);

  enum class Woken { time, client, ended };
  // Waits until the limit, or until something came for the client. `ended`: see above.
  Woken wait(gm_client* client, std::chrono::milliseconds limit);

 private:
  bool redraws_;
  bool raw_ = false;
  termios before_{};
};

// `text` as it stands on a terminal of `rows` rows from the top left corner, whatever stood there:
// every line clears its rest, what does not fit is left out. The caller has switched wrapping off.
std::string frame(const std::string& text, std::size_t rows);

}  // namespace gpumodelctl
