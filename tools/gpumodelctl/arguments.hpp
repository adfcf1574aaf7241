// What a command takes on the command line: CLI11's options behind a header of ours, because its
// own costs every source that sees it seconds of compilation. Handles are values; the parser owns
// what they stand for and outlives them.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace gpumodelctl {

// Every call returns the same option, so that they chain.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  // Of its value, in the help; completion offers names for MODEL, DEVICE and LEASE.
  Option type_name(const char* name) const;
  // T is int or double; both ends are allowed.
  template <class T>
  Option range(T least, T most) const;
  Option positive() const;
  Option not_negative() const;
  Option one_of(const std::vector<std::string>& values) const;
  // The option may stand without its value, which is then this one.
  Option implied_value(const char* value) const;
  // One value each time that it is given: what follows is not its second.
  Option one_value() const;
  Option excludes(Option other) const;
  // In the help.
  Option show_default() const;

  // After the parse.
  bool given() const;

 private:
  CLI::Option* option_;
};

// Of one command, or of a group within it.
class Arguments {
 public:
  explicit Arguments(CLI::App* app) : app_(app) {}

  // A name without dashes is a positional. T is a string, an optional string, a vector of strings
  // or a number; `value` outlives the parse.
  template <class T>
  Option add_option(const char* name, T& value, const char* about) const;
  Option add_flag(const char* name, bool& value, const char* about) const;
  void remove_option(const char* name) const;
  // At most one of what is added to it may be given.
  Arguments add_exclusive_group(const char* name) const;
  void append_footer(const char* text) const;

  // After the parse: whether it is the command that was asked for.
  bool given() const;

  // As CLI11 has it, for who walks through all that there is.
  const CLI::App& parser() const { return *app_; }

 private:
  CLI::App* app_;
};

}  // namespace gpumodelctl
