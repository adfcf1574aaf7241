source /mnt/inside/common.sh
set_up
systemctl is-active gpumodeld.socket || fail "the socket does not listen after the installation"
[[ $(systemctl show -P ActiveState gpumodeld.service) == inactive ]] || fail "the service runs before anybody wants it"
[[ $(stat -c '%U %G %a' /run/gpumodeld/api.sock) == 'root gpumodel 660' ]] || fail "the socket is $(stat -c '%U %G %a' /run/gpumodeld/api.sock)"

# The first connection starts it; a member of the group generates.
as alice gpumodelctl models | grep -q concept || fail "no models are listed"
systemctl is-active gpumodeld.service || fail "the first connection did not start the service"
text=$(generate)
[[ -n $text ]] || fail "a member of the group generates nothing"
errno=$(as bob python3 -c 'import socket; print(socket.socket(socket.AF_UNIX).connect_ex("/run/gpumodeld/api.sock"))')
[[ $errno == 13 ]] || fail "one who is not of the group gets errno $errno, not EACCES"
status=0
as bob gpumodelctl models 2>/tmp/denied || status=$?
[[ $status == 4 ]] || fail "one who is not of the group gets exit status $status: $(cat /tmp/denied)"

# What people see of it.
until_true 5 status_says '[0-9]+ models? ready, .* of 600 MiB, 0 leases' ||
  fail "its status is: $(systemctl show -P StatusText gpumodeld.service)"
journalctl -u gpumodeld -o json --no-pager >/tmp/journal
grep -q '"GPUMODELD_MODEL":"concept"' /tmp/journal || fail "the journal has no field GPUMODELD_MODEL"
grep -qE '"MESSAGE_ID":"[0-9a-f]{32}"' /tmp/journal || fail "the journal's messages have no ids"
grep -qE '"GPUMODELD_USER":' /tmp/journal || grep -qE '"GPUMODELD_DEVICE":' /tmp/journal || fail "the journal has no other field"
! grep -q 'capital of France' /tmp/journal || fail "a prompt is in the journal"
! grep -qF "$text" /tmp/journal || fail "a generated text is in the journal"
# The service manager has no other socket of the service, and the daemon has none of the Internet's.
! systemctl show -P Listen gpumodeld.socket | grep -v '^/run/gpumodeld/api.sock (Stream)$' || fail "another address is listened on"
