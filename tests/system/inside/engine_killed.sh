source /mnt/inside/common.sh
set_up
generate concept 400 >/tmp/out 2>/tmp/err &
client=$!
until_true 30 bash -c 'gpumodelctl status | grep -q "ready"' || fail "no model becomes ready"
until_true 10 test -n "$(engine_pid)" || fail "no engine"
broker=$(main_pid)
kill -9 "$(engine_pid)"
status=0
wait $client || status=$?
((status != 0)) || echo "the generation was over before the kill"
[[ -n $(generate) ]] || fail "nothing is generated after the engine's death"
[[ $(main_pid) == "$broker" ]] || fail "the broker fell with its engine"
