// What the daemon tells its operator: one line an event, on stderr, or into the journal with fields
// where stderr is the journal. Never text of prompts or answers.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace gpumodel::broker {

enum class LogLevel { error, warning, info, debug };

// A fact beside the message; `name` is a journal field in capitals, e.g. "MODEL".
struct LogField {
  std::string_view name;
  std::string value;
};

// What happened, in words, and for the journal a 128-bit id in hexadecimal (log_messages.hpp).
struct LogMessage {
  std::string_view id;
  std::string_view text;
};

class Log {
 public:
  explicit Log(LogLevel level);

  using Fields = std::initializer_list<LogField>;
  void error(const LogMessage& message, Fields fields = {}) const {
    write(LogLevel::error, message, fields);
  }
  void warning(const LogMessage& message, Fields fields = {}) const {
    write(LogLevel::warning, message, fields);
  }
  void info(const LogMessage& message, Fields fields = {}) const {
    write(LogLevel::info, message, fields);
  }
  void debug(const LogMessage& message, Fields fields = {}) const {
    write(LogLevel::debug, message, fields);
  }

 private:
  void write(LogLevel level, const LogMessage& message, Fields fields) const;

  LogLevel level_;
  bool to_journal_;
};

}  // namespace gpumodel::broker
