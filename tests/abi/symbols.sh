#!/bin/sh
# Compares what libgpumodel exports with its map and its header, and what it needs with what it may need.
# usage: symbols.sh LIBRARY MAP HEADER [SANITIZER]
set -eu
export LC_ALL=C
library=$1 map=$2 header=$3 sanitizer=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

nm -D --defined-only "$library" | sed -n 's/.* T \(.*\)@@GPUMODEL_1\.0$/\1/p' | sort >"$work/exported"
sed -n 's/^ *\(gm_[a-z_]*\);$/\1/p' "$map" | sort >"$work/map"
# A function's name is the word before the first parenthesis of a GM_API declaration.
grep '^GM_API' "$header" | sed 's/(.*//; s/.*[ *]//' | sort >"$work/header"

test -s "$work/exported"
diff -u "$work/map" "$work/exported" || { echo "the library does not export what its map says" >&2; exit 1; }
diff -u "$work/map" "$work/header" || { echo "the header does not declare what the map exports" >&2; exit 1; }

# The version's own symbol is absolute; anything else that is global and not in the map is an accident.
others=$(nm -D --defined-only "$library" | grep -v ' A GPUMODEL_1\.0$' | grep -vc '@@GPUMODEL_1\.0$' || true)
if [ "$others" -ne 0 ] && [ -z "$sanitizer" ]; then
  echo "the library exports symbols without a version:" >&2
  nm -D --defined-only "$library" | grep -v GPUMODEL_1 >&2
  exit 1
fi

readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' | grep -qx 'libgpumodel.so.1'
[ -n "$sanitizer" ] && exit 0
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$work/needed"
# The dynamic loader holds libc's thread-local storage.
if grep -vxE 'libc\.so\.6|libmsgpackc\.so\.2|ld-linux.*\.so\.[0-9]+' "$work/needed"; then
  echo "the library needs more than libc and msgpack-c" >&2
  exit 1
fi
