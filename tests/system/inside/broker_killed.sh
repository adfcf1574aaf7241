source /mnt/inside/common.sh
set_up
generate >/dev/null || fail "it does not generate"
# Clients queue in the socket's backlog while the broker is down, and are all served.
for round in $(seq 25); do
  pid=$(main_pid)
  kill -9 "$pid"
  clients=()
  for client in 1 2 3; do
    as alice gpumodelctl models >/dev/null &
    clients+=($!)
  done
  for client in "${clients[@]}"; do
    wait "$client" || fail "a client was not served in round $round"
  done
  until_true 10 is_other_pid "$pid" || fail "the broker did not come back in round $round"
done
[[ -n $(generate) ]] || fail "nothing is generated after 25 kills"
[[ $(pgrep -c -f '^/usr/lib/gpumodeld/gpumodel-engine --fd') -le 1 ]] || fail "engines outlived their brokers"
