// Tokenizers and templates, kept while they are used: of the probe for the text methods, of an
// engine for the model that comes back.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "engine/server/text_model.hpp"

namespace gpumodel::engine::server {

// Least recently used out first, beyond so many bytes of their files (in memory a tokenizer takes
// some times its file); the last one stays whatever its size. Any thread; a folder that is slow to
// read keeps nobody else waiting.
class TextCache {
 public:
  explicit TextCache(std::uint64_t most_file_bytes) : most_file_bytes_(most_file_bytes) {}

  // Reads the folder anew where one of its text files was replaced or changed. Throws BadModel.
  std::shared_ptr<const TextModel> get(const std::string& path);

 private:
  struct Entry {
    std::string identity;
    std::uint64_t file_bytes = 0;
    std::shared_ptr<const TextModel> model;
  };

  std::shared_ptr<const TextModel> find(const std::string& identity);
  void insert(Entry entry);

  const std::uint64_t most_file_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // used last first
};

}  // namespace gpumodel::engine::server
