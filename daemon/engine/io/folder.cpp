#include "engine/io/folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

namespace gpumodel::engine::io {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kMaxListedNames = 4096;

std::string reason(int error) { return std::strerror(error); }

// One path component that is fit to stand in a message.
bool is_plain_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name == ".") return false;
  if (name.find("..") != std::string_view::npos) return false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '/') return false;
  }
  return true;
}

std::string link_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::string real_path_of(int fd, const char* name) {
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::readlink(link_of(fd).c_str(), path.data(), path.size());
  if (length < 0) throw BadModel(name, "its real path cannot be read (" + reason(errno) + ")");
  path.resize(static_cast<std::size_t>(length));
  return path;
}

std::string open_failure(int error) {
  switch (error) {
    case ELOOP:
      return "a symbolic link runs in a circle";
    case EACCES:
    case EPERM:
      return "permission denied; the daemon's account must be able to read it";
    default:
      return "cannot be opened (" + reason(error) + ")";
  }
}

}  // namespace

Folder Folder::open(const std::string& path, const char* called) {
  os::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) throw BadModel(called, "does not exist");
    if (errno == ENOTDIR) throw BadModel(called, "is not a folder");
    throw BadModel(called, open_failure(errno));
  }
  std::string real_path = real_path_of(fd.get(), called);
  return Folder(std::move(fd), std::move(real_path), called);
}

std::optional<OpenFile> Folder::find_file(std::string_view name) const {
  OpenFile file;
  if (!is_plain_name(name)) {
    throw BadModel(called_, "names a file that is not simply a file of this folder");
  }
  file.name = name;
  // First without opening what it is: opening a FIFO would wait, and a device may act on it.
  const os::Fd handle(::openat(fd_.get(), file.name.c_str(), O_PATH | O_CLOEXEC));
  if (!handle) {
    const int error = errno;
    struct stat link {};
    if (error == ENOENT &&
        ::fstatat(fd_.get(), file.name.c_str(), &link, AT_SYMLINK_NOFOLLOW) != 0) {
      return std::nullopt;
    }
    if (error == ENOENT) throw BadModel(file.name, "is a symbolic link to nothing");
    throw BadModel(file.name, open_failure(error));
  }
  struct stat status {};
  if (::fstat(handle.get(), &status) != 0) throw BadModel(file.name, reason(errno));
  if (!S_ISREG(status.st_mode)) throw BadModel(file.name, "is not a regular file");

  file.fd.reset(::open(link_of(handle.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.fd) throw BadModel(file.name, open_failure(errno));
  file.real_path = real_path_of(file.fd.get(), file.name.c_str());
  file.bytes = static_cast<std::uint64_t>(status.st_size);
  file.inode = status.st_ino;
  file.mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  return file;
}

OpenFile Folder::open_file(std::string_view name) const {
  std::optional<OpenFile> file = find_file(name);
  if (!file) throw BadModel(std::string(name), "is missing");
  return std::move(*file);
}

std::optional<std::string> Folder::find_text(std::string_view name,
                                             std::uint64_t limit_bytes) const {
  const std::optional<OpenFile> file = find_file(name);
  if (!file) return std::nullopt;
  if (file->bytes > limit_bytes) {
    throw BadModel(file->name, "has " + std::to_string(file->bytes) + " bytes, more than the " +
                                   std::to_string(limit_bytes) + " that are read");
  }
  std::string text(static_cast<std::size_t>(file->bytes), '\0');
  read_exactly(*file, 0, text.data(), text.size());
  return text;
}

std::string Folder::read_text(std::string_view name, std::uint64_t limit_bytes) const {
  std::optional<std::string> text = find_text(name, limit_bytes);
  if (!text) throw BadModel(std::string(name), "is missing");
  return std::move(*text);
}

std::vector<std::string> Folder::list() const {
  // Its own open file description: a directory's read position is shared by duplicates.
  const int fd = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw BadModel(called_, open_failure(errno));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd), ::closedir);
  if (!directory) {
    ::close(fd);
    throw BadModel(called_, reason(errno));
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (names.size() == kMaxListedNames) break;
    if (is_plain_name(entry->d_name)) names.emplace_back(entry->d_name);
  }
  return names;
}

void read_exactly(const OpenFile& file, std::uint64_t offset, void* into, std::size_t bytes) {
  auto* to = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t got = ::pread(file.fd.get(), to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw BadModel(file.name, "cannot be read (" + reason(errno) + ")");
    if (got == 0) {
      throw BadModel(file.name, "ends at byte " + std::to_string(offset) + ", where " +
                                    std::to_string(bytes) +
                                    " more were expected; it was cut or is being written");
    }
    to += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
}

}  // namespace gpumodel::engine::io
