# The documentation's programs, as a user of the installed packages has them.
source /mnt/inside/common.sh
set_up
printf '[models.attribute]\npath = "/mnt/model"\ncontext_tokens = 512\n' >>/etc/gpumodeld/gpumodeld.toml

work=$(mktemp -d)
chmod 755 "$work"
cd "$work"
python3 /mnt/inside/blocks.py "$work" /mnt/docs/*
for source in *.c *.cpp; do
  case $source in
    *.cpp) compiler='c++ -std=c++17' ;;
    *) compiler=cc ;;
  esac
  # The words of README.md's "from the installed packages".
  $compiler "$source" $(pkg-config --cflags --libs gpumodel) -o "${source//./-}" || fail "$source does not compile"
done
programs=(*-c *-cpp *.py)
for kind in {README.md,gpumodel.3.scd}-*.{c,cpp} {README.md,python.md}-*.py; do
  compgen -G "$kind" >/dev/null || fail "there is no program $kind"
done
for program in "${programs[@]}"; do
  run=("./$program")
  [[ $program != *.py ]] || run=(python3 "$program")
  as alice "${run[@]}" >out 2>err || fail "$program ends with $?: $(cat err)"
  [[ -s out ]] || fail "$program prints nothing"
  ! as bob "${run[@]}" >out 2>err || fail "$program works for one who may not"
done
until_true 10 status_says '0 leases' || fail "a program left a lease behind"

# README.md's server, and a client of HTTP alone.
as alice gpumodel-openai --listen 127.0.0.1:8080 >server 2>&1 &
server=$!
answers() {
  as alice python3 - <<'CLIENT'
import json, pathlib, urllib.request
key = (pathlib.Path.home() / ".config/gpumodel-openai.key").read_text().strip()
body = {"model": "concept", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
request = urllib.request.Request("http://127.0.0.1:8080/v1/chat/completions", json.dumps(body).encode(),
                                 {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
assert json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]
CLIENT
}
until_true 20 answers || fail "gpumodel-openai does not answer: $(cat server) $(answers 2>&1 | tail -n 1)"
# It goes as soon as it is told to, with the lease that it keeps between requests.
pkill -u alice -f '^gpumodel-openai' || fail "gpumodel-openai does not run"
wait $server || fail "gpumodel-openai ends with $?: $(cat server)"
until_true 10 status_says '0 leases' || fail "gpumodel-openai left a lease behind"

for page in 'gpumodel.3' 'gpumodel-openai.1' 'gpumodelctl.1' 'gpumodeld.8' 'gpumodeld.conf.5' 'gpumodel-protocol.7'; do
  [[ -e /usr/share/man/man${page##*.}/$page.gz ]] || fail "no manual page $page"
done
