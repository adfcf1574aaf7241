source /mnt/inside/common.sh
set_up
generate concept 60 >/tmp/out 2>/tmp/err &
client=$!
until_true 30 bash -c 'gpumodelctl status | grep -q ready' || fail "no model becomes ready"
sleep 0.3
systemctl stop gpumodeld.service gpumodeld.socket
wait $client || fail "a running generation was cut: $(cat /tmp/err)"
[[ -s /tmp/out ]] || fail "the generation gave nothing"
[[ $(systemctl show -P Result gpumodeld.service) == success ]] || fail "the stop ended with $(systemctl show -P Result gpumodeld.service)"
! pgrep -f gpumodel-engine || fail "an engine outlived the service"
