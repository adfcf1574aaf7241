# What the scripts beside this file share. Sourced, never run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${GPUMODEL_CACHE:-$HOME/.cache/gpumodel-build}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# usage TEXT "$@": prints TEXT for --help, and refuses --help's relatives that nobody knows.
usage() {
  local text=$1 argument
  shift
  for argument in "$@"; do
    if [[ $argument == --help || $argument == -h ]]; then
      printf '%s\n' "$text"
      exit 0
    fi
  done
}

# step WORDS... -- COMMAND...: runs the command with its output in a log, shows how long it takes, and
# the log's end where it fails.
step() {
  local words=()
  while [[ $1 != -- ]]; do
    words+=("$1")
    shift
  done
  shift
  local log start=$SECONDS status
  mkdir -p "$cache/log"
  log=$(mktemp "$cache/log/XXXXXX")
  printf '%s: %s ... ' "${0##*/}" "${words[*]}" >&2
  # A function's own errors end it only outside of a condition.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if ((status != 0)); then
    printf 'failed after %d s\n' $((SECONDS - start)) >&2
    tail -n 40 "$log" >&2
    die "${words[*]}: \"$*\" exited with $status; the whole output is in $log"
  fi
  rm -f "$log"
  printf '%d s\n' $((SECONDS - start)) >&2
}

# key FILE...: names a cache entry by what it is made from.
key() { cat "$@" | sha256sum | cut -c1-12; }

python_env=$cache/python-$(key "$root/tools/requirements.txt")
python=$python_env/bin/python
xgrammar=$cache/xgrammar-0.2.8
promtool=$cache/prometheus/promtool
llama=$cache/llama-cpp-python-0.3.36
demo_adapters=$cache/adapters-$(key "$root/tools/requirements.txt" "$root/tools/pipeline/train_adapters.py" 2>/dev/null || echo none)
demo_model=$cache/models/$(key "$root/tools/requirements.txt" "$root/tools/pipeline/prepare_model.py" 2>/dev/null || echo none)/SmolLM2-135M-Instruct
