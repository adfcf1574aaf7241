# What the tests inside of a throw-away system share. Sourced.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive GPUMODEL_SOCKET=/run/gpumodeld/api.sock

# What still runs in the background would hold up the system's end.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

fail() {
  echo "FAILED: $*"
  systemctl status gpumodeld.service --no-pager -n 0 || true
  journalctl -u gpumodeld --no-pager -n 30 -o cat || true
  exit 1
}

# until_true SECONDS COMMAND...
until_true() {
  local limit=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < limit)) || return 1
    sleep 0.1
  done
}

install_packages() {
  apt-get install --yes --no-install-recommends -o APT::Sandbox::User=root \
    /mnt/packages/*.deb >/tmp/install.log 2>&1 || {
    cat /tmp/install.log
    fail "the packages do not install"
  }
}

write_config() {
  cat >/etc/gpumodeld/gpumodeld.toml <<CONFIG
[daemon]
drain_timeout = "20s"
[devices.cpu]
memory = "600 MiB"
[models.concept]
path = "/mnt/model"
context_tokens = 512
[models.other]
path = "/mnt/model"
context_tokens = 256
CONFIG
}

# Everything that most tests begin with: packages, a configuration, a user who may and one who may not.
set_up() {
  install_packages
  write_config
  useradd --create-home alice
  useradd --create-home bob
  usermod --append --groups gpumodel alice
}

as() {
  local user=$1
  shift
  runuser -u "$user" -- "$@"
}

# status_says REGEX: systemd's word for how the service is.
status_says() { systemctl show -P StatusText gpumodeld.service | grep -qE "$1"; }
main_pid() { systemctl show -P MainPID gpumodeld.service; }
engine_pid() { pgrep -f '^/usr/lib/gpumodeld/gpumodel-engine --fd' | head -n 1; }
has_one_engine() { [[ $(pgrep -c -f "^/usr/lib/gpumodeld/gpumodel-engine --fd") == 1 ]]; }
is_other_pid() { [[ $(main_pid) != 0 && $(main_pid) != "$1" ]]; }
generate() { as alice gpumodelctl generate "${1:-concept}" --prompt 'The capital of France is' --max-tokens "${2:-4}" "${@:3}"; }
