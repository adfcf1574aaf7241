// The one error of every reader of a model folder: the folder cannot be used as it is.
#pragma once

#include <stdexcept>
#include <string>

namespace gpumodel::engine {

// what() is "<file>: <reason>", fit to be shown to a client: `file` is relative to the model's
// folder ("tokenizer.json"), never an absolute path, and `reason` names the field and what was
// expected ("model.type: \"Unigram\" is not supported").
class BadModel : public std::runtime_error {
 public:
  BadModel(std::string file, const std::string& reason)
      : std::runtime_error(file + ": " + reason), file_(std::move(file)) {}

  const std::string& file() const noexcept { return file_; }

 private:
  std::string file_;
};

}  // namespace gpumodel::engine
