// Fills a table of functions from a library that is opened at run time.
#pragma once

#include <dlfcn.h>

#include <initializer_list>
#include <string>

namespace gpumodel::engine::device::cuda {

// Remembers the first entry that the library has nothing for.
class Symbols {
 public:
  // What dlopen(3) returned.
  explicit Symbols(void* library) : library_(library) {}

  // Takes the first of these names that the library has; all have the entry's signature.
  template <class Function>
  void find(Function& entry, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      entry = reinterpret_cast<Function>(::dlsym(library_, name));
      if (entry != nullptr) return;
    }
    if (missing_.empty()) missing_ = *names.begin();
  }
  // Empty where nothing is.
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

}  // namespace gpumodel::engine::device::cuda
