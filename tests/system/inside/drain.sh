source /mnt/inside/common.sh
set_up
generate concept 100 >/tmp/out 2>/tmp/err &
client=$!
until_true 30 test -s /tmp/out || fail "nothing is generated: $(cat /tmp/err)"
systemctl stop gpumodeld.service gpumodeld.socket
wait $client || fail "a running generation was cut: $(cat /tmp/err)"
[[ $(systemctl show -P Result gpumodeld.service) == success ]] || fail "the stop ended with $(systemctl show -P Result gpumodeld.service)"
! pgrep -f gpumodel-engine || fail "an engine outlived the service"
