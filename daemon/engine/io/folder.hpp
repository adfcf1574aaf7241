// A model's folder, opened once and then read relative to that, so that renaming it changes
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/bad_model.hpp"
#include "os/fd.hpp"

namespace gpumodel::engine::io {

// Limits of text files; real ones are far smaller (the largest tokenizer.json in use has 33 MB).
inline constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{8} << 20;
inline constexpr std::uint64_t kMaxTokenizerBytes = std::uint64_t{64} << 20;

// A regular file, open for reading, as it was when it was opened.
struct OpenFile {
  os::Fd fd;
  std::string name;       // in its folder
  std::string real_path;  // after all links; never shown to clients
  std::uint64_t bytes = 0;
  std::uint64_t inode = 0;
  std::int64_t mtime_ns = 0;
};

// Symbolic links are followed (the Hub's cache consists of them). Names are one path component:
// another ('/', "..", control characters, over 255 bytes) is BadModel, as is anything that is not a
// regular file in the end, a link that dangles or runs in a circle, and what may not be read.
class Folder {
 public:
  // Throws BadModel about what it is called, without the path.
  static Folder open(const std::string& path, const char* called = "model folder");

  const std::string& real_path() const { return real_path_; }

  // Throws BadModel where there is none.
  OpenFile open_file(std::string_view name) const;
  std::optional<OpenFile> find_file(std::string_view name) const;

  // The whole file; BadModel beyond `limit_bytes`.
  std::string read_text(std::string_view name, std::uint64_t limit_bytes) const;
  std::optional<std::string> find_text(std::string_view name, std::uint64_t limit_bytes) const;

  // Names of all entries, unsorted, at most 4096 of them; for messages that say what is there
  // instead.
  std::vector<std::string> list() const;

 private:
  Folder(os::Fd fd, std::string real_path, const char* called)
      : fd_(std::move(fd)), real_path_(std::move(real_path)), called_(called) {}

  os::Fd fd_;
  std::string real_path_;
  const char* called_;
};

// Reads exactly `bytes` at `offset`. A short file, an I/O error: BadModel that names the file.
void read_exactly(const OpenFile& file, std::uint64_t offset, void* into, std::size_t bytes);

}  // namespace gpumodel::engine::io
