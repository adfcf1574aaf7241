"""What the suites of tools/bench share: the daemon under test, peers that answer lines, and rounds."""
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing

HERE = pathlib.Path(__file__).parent
MIB = 1 << 20


class Suite(typing.NamedTuple):
    measure: typing.Callable  # options to a report, a JSON object
    table: typing.Callable    # prints it


class Skipped(Exception):
    """A suite that this machine cannot run, with the reason."""


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


ONE_DEVICE = '[devices.cpu]\nmemory = "2 GiB"\n[limits]\nleases = 64\n'
# Stays loaded, and is unloaded at each release.
KEPT_AND_FREED = {"kept": "auto_unload = false", "freed": "auto_unload = true"}


def allow_many_files():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Daemon:
    """gpumodeld with these sections, and models that each have a folder, and so weights, of their own."""

    def __init__(self, binaries, model, sections=ONE_DEVICE, models=KEPT_AND_FREED, daemon_keys=""):
        self.binaries = binaries
        self.folder = tempfile.TemporaryDirectory(prefix="gpumodel-bench.")
        work = pathlib.Path(self.folder.name)
        config = work / "gpumodeld.toml"
        rows = [f"[daemon]\n{daemon_keys}\n", sections]
        for name, keys in models.items():
            # Folders of their own: models on the same files would share one load.
            folder = work / name
            try:
                shutil.copytree(model, folder, copy_function=os.link)
            except shutil.Error:
                shutil.copytree(model, folder, dirs_exist_ok=True)
            rows.append(f'[models.{name}]\npath = "{folder}"\n{keys}\ncontext_tokens = 2048\n')
        config.write_text("\n".join(rows))
        self.socket = work / "api.sock"
        self.environment = {**os.environ, "GPUMODEL_SOCKET": str(self.socket)}
        self.log = open(work / "log", "w+")
        self.process = subprocess.Popen(
            [binaries / "gpumodeld", "--config", config, "--socket", self.socket],
            stderr=self.log, preexec_fn=allow_many_files)
        for _ in range(200):
            if subprocess.run([binaries / "gpumodelctl", "models"], env=self.environment,
                              capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        self.log.seek(0)
        sys.exit("bench: gpumodeld did not start:\n" + self.log.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        self.folder.cleanup()

    def run(self, program, *arguments):
        done = subprocess.run([self.binaries / program, *map(str, arguments)], env=self.environment,
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"bench: {program} {arguments[0]} failed: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def ctl(self, *arguments):
        return self.run("gpumodelctl", *arguments)

    def exchange(self, *arguments):
        return self.run("bench_exchange", *arguments)

    def answer(self, model, tokens, count):
        """Greedy, of so many tokens."""
        return self.ctl("generate", model, "--json", "--ignore-eos", "--temperature", 0, "--max-tokens", count,
                        "--repetition-penalty", 1, "--tokens", ",".join(map(str, tokens)))

    def generate(self, model, tokens, count):
        return self.answer(model, tokens, count)["usage"]

    def model_row(self, name):
        return next(row for row in self.ctl("status", "--json")["models"] if row["name"] == name)

    def engine(self):
        return self.ctl("status", "--json")["devices"][0]["engine"]


class Peer:
    """A script that answers one command a line with one JSON object a line."""

    def __init__(self, script, *arguments, environment=None):
        environment = {**os.environ, **(environment or {})}
        # Set on some machines to work round old OpenBLAS builds; they would slow the peers here.
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        self.process = subprocess.Popen([sys.executable, HERE / script, *map(str, arguments)], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench: the peer {self.process.args[1]} died")
        return json.loads(line)


def summary(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def alternate(rounds, contenders):
    """One value of each contender a round, in turn; a warm-up round first. Medians by name."""
    values = {name: [] for name in contenders}
    for round_number in range(rounds + 1):
        for name, measure in contenders.items():
            value = measure()
            if round_number > 0:
                values[name].append(value)
    return {name: summary(list_) for name, list_ in values.items()}


def one_after_another(rounds, contenders):
    """All values of a contender before the next one's; each one's first is left out. A virtual machine gives
    memory that was free for seconds back to its host, and having it again takes longer than a small model's load."""
    return {name: summary([measure() for _ in range(rounds + 1)][1:]) for name, measure in contenders.items()}


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def print_speeds(title, results, unit, ratios):
    """ratios: pairs of names, the first one's median over the second's."""
    print(title)
    for name, values in results.items():
        text = f"  {name:<18}{values['median']:8.1f} {unit:<9}[{values['least']:.1f} .. {values['most']:.1f}]"
        for ours, other in ratios:
            if name == other:
                text += f"   {ours} / this: {results[ours]['median'] / values['median']:.2f}"
        print(text)
