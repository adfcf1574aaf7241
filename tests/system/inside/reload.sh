source /mnt/inside/common.sh
set_up
config=/etc/gpumodeld/gpumodeld.toml
held() { gpumodelctl --json status | grep -q '"state": *"held"'; }
listed() { gpumodelctl models | grep -q "$1"; }

as alice gpumodelctl lease concept -- sleep 600 &
holder=$!
until_true 20 held || fail "no lease is held: $(gpumodelctl status)"
pid=$(main_pid)
sed -i 's/models.other/models.renamed/' $config
systemctl reload gpumodeld.service || fail "reload failed"
until_true 10 listed renamed || fail "the new model is not there"
! listed other || fail "the old model is still there"
[[ $(main_pid) == "$pid" ]] || fail "a reload restarted the daemon"
held || fail "a reload ended a lease"
[[ -n $(generate renamed) ]] || fail "the new model generates nothing"
[[ -n $(generate concept) ]] || fail "the leased model generates nothing after the reload"

# A wrong file leaves everything as it is, and says where it is wrong.
sed 's/models.renamed/models.wrong/' $config >$config.good
{ cat $config.good; echo 'nonsense = '; } >$config
systemctl reload gpumodeld.service || true
refused() { journalctl -u gpumodeld -o cat --no-pager | grep -q 'gpumodeld.toml'; }
until_true 10 refused || fail "the journal does not say that the configuration is wrong"
listed renamed || fail "a wrong configuration was taken"
[[ $(main_pid) == "$pid" ]] || fail "a wrong configuration ended the daemon"
held || fail "a wrong configuration ended a lease"
kill -0 $holder || fail "the lease's program ended"
cat $config.good >$config
systemctl reload gpumodeld.service || fail "reload failed after the configuration was put right"
until_true 10 listed wrong || fail "the configuration that was put right is not taken"
pkill -u alice sleep
wait $holder || true
until_true 10 status_says '0 leases' || fail "the lease outlived its program: $(systemctl show -P StatusText gpumodeld.service)"
