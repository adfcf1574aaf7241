#include "gpumodel-openai/bearer_key.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace gpumodel_openai {
namespace {

std::string make_key() {
  std::array<unsigned char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw std::system_error(errno, std::generic_category(), "getrandom");
  constexpr char kDigits[] = "0123456789abcdef";
  std::string key;
  key.reserve(3 + 2 * bytes.size());
  key += "gm-";
  for (const unsigned char byte : bytes) {
    key += kDigits[byte >> 4];
    key += kDigits[byte & 15];
  }
  return key;
}

void write_key(const std::filesystem::path& file, const std::string& key) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const std::string line = key + "\n";
  const bool is_written =
      fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!is_written) throw std::system_error(error, std::generic_category(), file.string());
}

void require_private(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0)
    throw std::system_error(errno, std::generic_category(), file.string());
  if ((info.st_mode & 077) != 0)
    throw std::runtime_error(file.string() + ": others can read it; chmod 600 it");
}

std::string read_key(const std::filesystem::path& file) {
  constexpr std::size_t kLeast = 16;
  std::ifstream in(file);
  std::string key;
  if (!std::getline(in, key) || key.length() < kLeast)
    throw std::runtime_error(file.string() + ": a key of at least 16 characters is expected");
  return key;
}

}  // namespace

std::string load_or_make_key(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) {
    const std::string key = make_key();
    if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
    write_key(file, key);
    return key;
  }
  require_private(file);
  return read_key(file);
}

bool is_authorized(std::string_view header, std::string_view key) {
  const std::string expected = "Bearer " + std::string(key);
  unsigned difference = header.size() == expected.size() ? 0 : 1;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const char given = i < header.size() ? header[i] : '\0';
    difference |= static_cast<unsigned char>(given ^ expected[i]);
  }
  return difference == 0;
}

}  // namespace gpumodel_openai
