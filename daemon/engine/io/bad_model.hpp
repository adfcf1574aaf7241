// A model folder that cannot be used: which file, what is wrong with it.
#pragma once

#include <stdexcept>
#include <string>

namespace gpumodel::engine {

// Files are named relative to the model's folder, never by an absolute path: the message reaches
// clients.
class BadModel : public std::runtime_error {
 public:
  BadModel(std::string file, const std::string& reason)
      : std::runtime_error(file + ": " + reason), file_(std::move(file)) {}
  const std::string& file() const { return file_; }

 private:
  std::string file_;
};

}  // namespace gpumodel::engine
