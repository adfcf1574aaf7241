#include "broker/log.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <vector>

namespace gpumodel::broker {
namespace {

struct LevelInfo {
  std::string_view word;
  int priority;  // syslog's
};
constexpr std::array<LevelInfo, 4> kLevels{
    {{"error", LOG_ERR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}}};

// systemd.exec(5): $JOURNAL_STREAM is DEVICE:INODE of the stream that the service manager
// connected; only where stderr still is that stream do lines belong into the journal.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

Log::Log(LogLevel level) : level_(level), to_journal_(stderr_is_journal()) {}

void Log::write(LogLevel level, const LogMessage& message, Fields fields) const {
  if (level > level_) return;
  const LevelInfo& info = kLevels[static_cast<std::size_t>(level)];
  // Fields are in the text too: journalctl shows them nowhere else by default.
  std::string line(message.text);
  for (const LogField& field : fields)
    line += fmt::format(" {}={}", lower(field.name), field.value);
  if (to_journal_) {
    std::vector<std::string> entries{"MESSAGE=" + line, fmt::format("MESSAGE_ID={}", message.id),
                                     fmt::format("PRIORITY={}", info.priority)};
    for (const LogField& field : fields)
      entries.push_back(fmt::format("GPUMODELD_{}={}", field.name, field.value));
    std::vector<iovec> parts;
    for (std::string& entry : entries) parts.push_back({entry.data(), entry.size()});
    if (sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0) return;
  }
  line = fmt::format("gpumodeld: {}: {}\n", info.word, line);
  // A log that cannot be written has nowhere to complain.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace gpumodel::broker
