source /mnt/inside/common.sh
set_up
generate >/dev/null || fail "it does not generate"
served_by() { as alice gpumodelctl --json status | python3 -c 'import json, sys; print(json.load(sys.stdin)["daemon"]["pid"])'; }
# Clients queue in the socket's backlog while the broker is down, and are all served by the next one.
for round in $(seq 25); do
  pid=$(main_pid)
  kill -9 "$pid"
  rm -f /tmp/served.*
  clients=()
  for client in 1 2 3; do
    served_by >/tmp/served.$client &
    clients+=($!)
  done
  generate >/tmp/served.text &
  clients+=($!)
  for client in "${clients[@]}"; do
    wait "$client" || fail "a client was not served in round $round"
  done
  [[ -s /tmp/served.text ]] || fail "nothing was generated in round $round"
  for client in 1 2 3; do
    [[ $(cat /tmp/served.$client) == "$(main_pid)" ]] || fail "round $round: served by $(cat /tmp/served.$client), not by $(main_pid)"
  done
  is_other_pid "$pid" || fail "the broker did not come back in round $round"
done
[[ $(pgrep -c -f '^/usr/lib/gpumodeld/gpumodel-engine --fd') == 1 ]] || fail "engines outlived their brokers"
[[ $(systemctl show -P NRestarts gpumodeld.service) == 25 ]] || fail "there were $(systemctl show -P NRestarts gpumodeld.service) restarts"
