// The terminal while a program draws all of it: another screen, no cursor, keys as they are typed.
// Whatever ends or stops the program leaves it as it was.
#pragma once

namespace gpumodelctl {

// One at a time. While it lives, Ctrl-Z (SIGTSTP) gives the terminal back before the program stops,
// SIGCONT takes it again, and both, like a change of its size (SIGWINCH), make changed_fd()
// readable.
class Terminal {
 public:
  // Standard output is one; keys are read where standard input is one, too.
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Whether standard input gives keys.
  bool has_keys() const;
  int changed_fd() const { return changed_fd_; }
  // Makes changed_fd() silent again.
  void acknowledge() const;

 private:
  int changed_fd_;
};

}  // namespace gpumodelctl
