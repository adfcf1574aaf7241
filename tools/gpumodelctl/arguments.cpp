#include "gpumodelctl/arguments.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>

namespace gpumodelctl {

Option Option::required() const {
  option_->required();
  return *this;
}

Option Option::type_name(const char* name) const {
  option_->type_name(name);
  return *this;
}

template <class T>
Option Option::range(T least, T most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}
template Option Option::range(int, int) const;
template Option Option::range(double, double) const;

Option Option::positive() const {
  option_->check(CLI::PositiveNumber);
  return *this;
}

Option Option::not_negative() const {
  option_->check(CLI::NonNegativeNumber);
  return *this;
}

Option Option::one_of(const std::vector<std::string>& values) const {
  option_->check(CLI::IsMember(values));
  return *this;
}

Option Option::implied_value(const char* value) const {
  option_->expected(0, 1)->default_str(value);
  return *this;
}

Option Option::one_value() const {
  option_->allow_extra_args(false);
  return *this;
}

Option Option::excludes(Option other) const {
  option_->excludes(other.option_);
  return *this;
}

Option Option::show_default() const {
  option_->capture_default_str();
  return *this;
}

bool Option::given() const { return option_->count() != 0; }

template <class T>
Option Arguments::add_option(const char* name, T& value, const char* about) const {
  return Option(app_->add_option(name, value, about));
}
template Option Arguments::add_option(const char*, std::string&, const char*) const;
template Option Arguments::add_option(const char*, std::optional<std::string>&, const char*) const;
template Option Arguments::add_option(const char*, std::vector<std::string>&, const char*) const;
template Option Arguments::add_option(const char*, std::int32_t&, const char*) const;
template Option Arguments::add_option(const char*, std::uint32_t&, const char*) const;
template Option Arguments::add_option(const char*, std::int64_t&, const char*) const;
template Option Arguments::add_option(const char*, std::uint64_t&, const char*) const;
template Option Arguments::add_option(const char*, float&, const char*) const;
template Option Arguments::add_option(const char*, double&, const char*) const;

Option Arguments::add_flag(const char* name, bool& value, const char* about) const {
  return Option(app_->add_flag(name, value, about));
}

void Arguments::remove_option(const char* name) const {
  app_->remove_option(app_->get_option(name));
}

Arguments Arguments::add_exclusive_group(const char* name) const {
  CLI::App* group = app_->add_option_group(name);
  group->require_option(0, 1);
  return Arguments(group);
}

void Arguments::append_footer(const char* text) const { app_->footer(app_->get_footer() + text); }

bool Arguments::given() const { return app_->parsed(); }

}  // namespace gpumodelctl
