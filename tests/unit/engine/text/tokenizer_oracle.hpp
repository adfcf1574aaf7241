// What Hugging Face's tokenizers says (tests/support/tokenizer_oracle.py), and comparing with it.
#pragma once

#include <string>
#include <vector>

#include "engine/text/tokenizer.hpp"

namespace gpumodel::test {

// A file that goes away with its object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Compares encode() and decode() of the tokenizer in `path` with the oracle, and the Detokenizer
// too, on what `texts` ("random 7 500", "every") makes of arguments. Reports the first differences
// through Boost.Test under the name `what`; returns how many texts were compared.
int compare_with_oracle(const std::string& texts, const std::string& path, const std::string& what);

// The same for the contents of a tokenizer.json.
int compare_contents_with_oracle(const std::string& texts, const std::string& json);

}  // namespace gpumodel::test
