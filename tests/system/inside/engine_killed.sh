source /mnt/inside/common.sh
set_up
# mid_generation SIGNAL SECONDS: the engine gets the signal while it generates; the request fails by name, the
# broker stays, and the next request is served by another engine.
mid_generation() {
  local client engine broker status=0
  : >/tmp/out
  generate concept 450 --ignore-eos >/tmp/out 2>/tmp/err &
  client=$!
  until_true 30 test -s /tmp/out || fail "nothing is generated: $(cat /tmp/err)"
  engine=$(engine_pid)
  broker=$(main_pid)
  kill -"$1" "$engine"
  until_true "$2" not_running $client || fail "the request still waits after $1 of its engine"
  wait $client || status=$?
  ((status != 0)) || fail "the generation was over before its engine got $1"
  grep -qiE 'engine' /tmp/err || fail "the error does not name the engine: $(cat /tmp/err)"
  [[ -n $(generate) ]] || fail "nothing is generated after $1 of the engine"
  [[ $(engine_pid) != "$engine" ]] || fail "the engine is the one that got $1"
  [[ $(main_pid) == "$broker" ]] || fail "the broker fell with its engine"
}
not_running() { ! kill -0 "$1"; }

mid_generation KILL 30
# One that stands still is noticed by its heart, and killed.
sed -i 's/^drain_timeout.*/&\nhang_timeout = "3s"/' /etc/gpumodeld/gpumodeld.toml
systemctl restart gpumodeld.service
mid_generation STOP 60
