source /mnt/inside/common.sh
set_up
generate concept 200 --ignore-eos >/tmp/out 2>/tmp/err &
client=$!
until_true 30 test -s /tmp/out || fail "nothing is generated: $(cat /tmp/err)"
systemctl stop gpumodeld.service gpumodeld.socket &
stop=$!
# It ends with its whole text and its release, and nothing new begins.
wait $client || fail "a running generation was cut: $(cat /tmp/err)"
wait $stop || fail "the stop failed"
[[ $(systemctl show -P Result gpumodeld.service) == success ]] || fail "the stop ended with $(systemctl show -P Result gpumodeld.service)"
! pgrep -f gpumodel-engine || fail "an engine outlived the service"
[[ ! -e /run/gpumodeld/api.sock ]] || fail "the socket outlived its unit"
cp /tmp/out /tmp/drained
systemctl start gpumodeld.socket
generate concept 200 --ignore-eos >/tmp/whole
cmp /tmp/whole /tmp/drained || fail "the text was not whole: $(cat /tmp/drained)"

# A generation that would take longer than drain_timeout is cancelled, and its client told.
sed -i 's/^drain_timeout.*/drain_timeout = "1s"/' /etc/gpumodeld/gpumodeld.toml
systemctl restart gpumodeld.service
: >/tmp/out
generate concept 450 --ignore-eos >/tmp/out 2>/tmp/err &
client=$!
until_true 30 test -s /tmp/out || fail "nothing is generated: $(cat /tmp/err)"
systemctl stop gpumodeld.service gpumodeld.socket
[[ $(systemctl show -P Result gpumodeld.service) == success ]] || fail "the second stop ended with $(systemctl show -P Result gpumodeld.service)"
status=0
wait $client || status=$?
[[ $status == 1 ]] && grep -q 'ended the generation' /tmp/err || fail "the cancelled client was not told: $status, $(cat /tmp/err)"
(($(wc -c </tmp/out) < $(wc -c </tmp/whole))) || fail "it was not cancelled: $(cat /tmp/out)"
