source /mnt/inside/common.sh
set_up
as alice gpumodelctl lease concept -- sleep 30 &
holder=$!
until_true 20 bash -c 'gpumodelctl --json status | grep -q "\"state\": *\"held\""' || fail "no lease is held: $(gpumodelctl status)"
pid=$(main_pid)
sed -i 's/models.other/models.renamed/' /etc/gpumodeld/gpumodeld.toml
systemctl reload gpumodeld.service || fail "reload failed"
until_true 10 bash -c 'gpumodelctl models | grep -q renamed' || fail "the new model is not there"
[[ $(main_pid) == "$pid" ]] || fail "a reload restarted the daemon"
gpumodelctl --json status | grep -q '"state": *"held"' || fail "a reload ended a lease"
# A wrong file leaves everything as it is.
echo 'nonsense = ' >>/etc/gpumodeld/gpumodeld.toml
systemctl reload gpumodeld.service || true
sleep 1
gpumodelctl models | grep -q renamed || fail "a wrong configuration was taken"
kill -0 $holder || fail "the lease's program ended"
