#!/bin/sh
# Compiles gpumodel.hpp, and each of its parts alone, as the strictest programs do: no warning by any
# compiler that is here, C++17 and C++20, with exceptions and without.
set -eu
include=$(cd "$(dirname "$0")/../../include" && pwd)
warnings="-Wall -Wextra -Wpedantic -pedantic-errors -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Werror"

compile() { # COMPILER STANDARD EXCEPTIONS HEADER
  # shellcheck disable=SC2086
  echo "#include <$4>" | "$1" -x c++ "-std=$2" "-f$3" $warnings -fsyntax-only "-I$include" - ||
    { echo "$4 does not compile with $1 -std=$2 -f$3" >&2; exit 1; }
}

for compiler in g++ clang++-16; do
  if ! command -v "$compiler" >/dev/null; then
    echo "Test case \"gpumodel_cxx_headers, $compiler\" is skipped because it is not installed"
    continue
  fi
  for standard in c++17 c++20; do
    compile "$compiler" "$standard" exceptions gpumodel.hpp
    compile "$compiler" "$standard" no-exceptions gpumodel.hpp
  done
done
for header in "$include"/gpumodel/*.hpp; do
  compile g++ c++17 exceptions "gpumodel/${header##*/}"
done
