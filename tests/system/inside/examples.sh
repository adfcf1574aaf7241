# The documentation's programs, as a user of the installed packages has them.
source /mnt/inside/common.sh
set_up

# block FILE LANGUAGE WORD: the first fenced block of that language with the word in it.
block() {
  awk -v language="$2" -v word="$3" '
    $0 == "```" language && !inside { inside = 1; text = ""; next }
    /^```/ && inside { inside = 0; if (index(text, word)) { printf "%s", text; exit } next }
    inside { text = text $0 "\n" }' "$1"
}

work=$(mktemp -d)
chmod 755 "$work"
cd "$work"
block /mnt/docs/README.md c 'int main' >hello.c
[[ -s hello.c ]] || fail "README.md has no C program"
# The words of README.md's "from the installed packages".
cc hello.c $(pkg-config --cflags --libs gpumodel) -o hello || fail "README.md's C program does not compile"
[[ -n $(as alice ./hello) ]] || fail "README.md's C program prints nothing"
status=0
as bob ./hello >denied.txt || status=$?
[[ $status != 0 && ! -s denied.txt ]] || fail "README.md's C program works for one who may not"

block /mnt/docs/README.md cpp 'int main' >hello.cpp
[[ -s hello.cpp ]] || fail "README.md has no C++ program"
c++ -std=c++17 hello.cpp $(pkg-config --cflags --libs gpumodel) -o hello++ || fail "README.md's C++ program does not compile"
[[ -n $(as alice ./hello++) ]] || fail "README.md's C++ program prints nothing"

block /mnt/docs/README.md python 'gpumodel.Client()' >hello.py
[[ -s hello.py ]] || fail "README.md has no Python program"
[[ -n $(as alice python3 hello.py) ]] || fail "README.md's Python program prints nothing"

until_true 10 status_says '0 leases' || fail "a program left a lease behind"
for page in 'gpumodel.3' 'gpumodel-openai.1' 'gpumodelctl.1' 'gpumodeld.8' 'gpumodeld.conf.5' 'gpumodel-protocol.7'; do
  [[ -e /usr/share/man/man${page##*.}/$page.gz ]] || fail "no manual page $page"
done
