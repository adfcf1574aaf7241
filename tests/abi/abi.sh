#!/bin/sh
# Compares the public interface of libgpumodel with that of the last release, by libabigail.
# usage: abi.sh check LIBRARY     exit status 77: skipped, and says why
#        abi.sh update LIBRARY    makes LIBRARY the last release: only with a release
# What may change is a function more, and a struct that grows at its end.
set -eu
action=$1 library=$2
here=$(cd "$(dirname "$0")" && pwd)
baseline=$here/libgpumodel.abi.xml

skip() {
  echo "Test case \"gpumodel_abi_diff\" is skipped because $1"
  exit 77
}
command -v abidiff >/dev/null || skip "abidiff is not installed (Debian: abigail-tools)"
[ "$(uname -m)" = x86_64 ] || skip "the committed interface is that of x86_64"

case $action in
  update)
    abidw --no-show-locs --no-corpus-path --no-comp-dir-path \
      --out-file "$baseline" "$library"
    ;;
  check)
    if ! abidiff --no-show-locs --no-added-syms \
      --suppressions "$here/libgpumodel.abi.suppr" "$baseline" "$library"; then
      echo "the interface is not that of the last release; programs compiled against it may break" >&2
      exit 1
    fi
    ;;
esac
