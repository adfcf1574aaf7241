"""tools/bench: gpumodeld beside its peers, in alternating rounds. See tools/bench --help."""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
SUITES = ["decode", "prefill", "load", "lease", "memory"]
PROMPT = [1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411]
DECODE_TOKENS = 128
# Some processors make transformers very slow in bf16; fewer tokens give the same rate.
TRANSFORMERS_DECODE_TOKENS = 24
PREFILL_TOKENS = 512
MIB = 1 << 20


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Daemon:
    """gpumodeld with models `kept` (stays loaded) and `freed` (unloaded at each release)."""

    def __init__(self, binaries, model):
        self.binaries = binaries
        self.folder = tempfile.TemporaryDirectory(prefix="gpumodel-bench.")
        work = pathlib.Path(self.folder.name)
        config = work / "gpumodeld.toml"
        rows = ['[devices.cpu]\nmemory = "2 GiB"\n[limits]\nleases = 64\n']
        for name, auto_unload in (("kept", "false"), ("freed", "true")):
            # Folders of their own: models on the same files would share one load.
            folder = work / name
            try:
                shutil.copytree(model, folder, copy_function=os.link)
            except shutil.Error:
                shutil.copytree(model, folder, dirs_exist_ok=True)
            rows.append(f'[models.{name}]\npath = "{folder}"\nauto_unload = {auto_unload}\ncontext_tokens = 2048\n')
        config.write_text("\n".join(rows))
        self.environment = {**os.environ, "GPUMODEL_SOCKET": str(work / "api.sock")}
        self.log = open(work / "log", "w+")
        self.process = subprocess.Popen(
            [binaries / "gpumodeld", "--config", config, "--socket", work / "api.sock"], stderr=self.log)
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

    def generate(self, model, tokens, count):
        return self.ctl("generate", model, "--json", "--ignore-eos", "--temperature", 0, "--max-tokens", count,
                        "--repetition-penalty", 1, "--tokens", ",".join(map(str, tokens)))["usage"]

    def model_row(self, name):
        return next(row for row in self.ctl("status", "--json")["models"] if row["name"] == name)

    def engine(self):
        return self.ctl("status", "--json")["devices"][0]["engine"]


class Peer:
    """A script that answers one command a line with one JSON object a line."""

    def __init__(self, script, *arguments, path=None):
        environment = dict(os.environ)
        # Set on some machines to work round old OpenBLAS builds; they would slow the peers here.
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        if path:
            environment["PYTHONPATH"] = str(path)
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


def transformers_peer(options):
    return Peer("peer_transformers.py", options.model, os.cpu_count())


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


def decode_speed(usage):
    return 1e6 * (usage["output_tokens"] - 1) / (usage["total_us"] - usage["first_token_us"])


def bench_decode(daemon, options, transformers, llama):
    prompt = ",".join(map(str, PROMPT))
    return alternate(options.rounds, {
        "gpumodeld": lambda: decode_speed(daemon.generate("kept", PROMPT, DECODE_TOKENS)),
        "transformers": lambda: transformers.ask("decode", prompt, TRANSFORMERS_DECODE_TOKENS)["tokens_per_s"],
        "llama.cpp": lambda: llama.ask("decode", prompt, DECODE_TOKENS)["tokens_per_s"],
    })


def bench_prefill(daemon, options, transformers, llama):
    tokens = list(range(1000, 1000 + PREFILL_TOKENS))

    def ours():
        usage = daemon.generate("kept", tokens, 1)
        return 1e6 * PREFILL_TOKENS / (usage["first_token_us"] - usage["queue_us"])

    return alternate(options.rounds, {
        "gpumodeld": ours,
        "transformers": lambda: transformers.ask("prefill", PREFILL_TOKENS)["tokens_per_s"],
        "llama.cpp": lambda: llama.ask("prefill", PREFILL_TOKENS)["tokens_per_s"],
    })


def first_load_of_a_process(options):
    with transformers_peer(options) as peer:
        return peer.ask("load")["ms"]


def bench_load(daemon, options, transformers, _llama):
    start = time.perf_counter()
    daemon.exchange("--once", "freed")
    first = 1000 * (time.perf_counter() - start)
    results = one_after_another(options.rounds, {
        "gpumodeld": lambda: daemon.exchange("--once", "freed")["acquire_ms"],
        # What a program pays that loads its model itself; importing torch and transformers is not counted.
        "transformers": lambda: first_load_of_a_process(options),
        "the same again": lambda: transformers.ask("load")["ms"],
    })
    results["gpumodeld"]["first_with_engine_start_ms"] = first
    return results


def bench_lease(daemon, options, _transformers, _llama):
    return daemon.exchange("kept", options.rounds)


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bench_memory(options):
    with Daemon(options.bin, options.model) as daemon:
        broker_idle = resident_bytes(daemon.process.pid)
        # The engine's memory before its first load is what its first load event could not have touched yet:
        # a first model warms it up, and the second load and release are measured.
        daemon.generate("freed", PROMPT, 16)
        before = resident_bytes(daemon.engine()["pid"])
        daemon.generate("freed", PROMPT, 16)
        after = resident_bytes(daemon.engine()["pid"])
        unload = daemon.model_row("freed")["unload"]
    return {"broker_idle_bytes": broker_idle, "engine_before_bytes": before, "engine_after_bytes": after,
            "unload": unload}


def print_table(report):
    if "decode" in report:
        print_speeds("decode, batch 1", report["decode"], "tokens/s")
    if "prefill" in report:
        print_speeds(f"prefill {PREFILL_TOKENS}", report["prefill"], "tokens/s")
    if "load" in report:
        print_speeds("load, acquire to grant", report["load"], "ms")
        print_first_load(report["load"])
    if "lease" in report:
        lease = report["lease"]
        print("lease of a resident model")
        for name in ("acquire", "release"):
            print(f"  {name:<14}{lease[name + '_us']:8.1f} us   {lease[name + '_us'] / lease['ping_pong_us']:6.2f} x ping-pong")
        print(f"  {'ping-pong':<14}{lease['ping_pong_us']:8.1f} us")
    if "memory" in report:
        memory = report["memory"]
        kept = memory["engine_after_bytes"] - memory["engine_before_bytes"]
        print("memory")
        print(f"  broker idle   {memory['broker_idle_bytes'] / MIB:8.1f} MiB")
        print(f"  engine kept   {kept / MIB:8.1f} MiB after its last release")


def print_first_load(results):
    print(f"  {'engine start and first load':<28}{results['gpumodeld']['first_with_engine_start_ms']:8.1f} ms")


def print_speeds(title, results, unit):
    print(title)
    for name, values in results.items():
        text = f"  {name:<14}{values['median']:8.1f} {unit:<9}[{values['least']:.1f} .. {values['most']:.1f}]"
        if name != "gpumodeld":
            text += f"   ours / this: {results['gpumodeld']['median'] / values['median']:.2f}"
        print(text)


def machine():
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    import torch
    import transformers
    return {"cpu": model, "cores": os.cpu_count(), "torch": torch.__version__,
            "transformers": transformers.__version__, "llama_cpp_python": "0.3.36"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--llama", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    # argparse of Python 3.11 holds an absent list against the choices, too.
    parser.add_argument("suites", nargs="*", metavar="SUITE", choices=["all", *SUITES], default="all")
    options = parser.parse_args()
    suites = SUITES if "all" in options.suites else options.suites

    report = {"machine": machine()}
    threads = os.cpu_count()
    with contextlib.ExitStack() as stack:
        daemon = transformers = llama = None
        if set(suites) - {"memory"}:
            daemon = stack.enter_context(Daemon(options.bin, options.model))
        if set(suites) & {"decode", "prefill", "load"}:
            transformers = stack.enter_context(transformers_peer(options))
            llama = stack.enter_context(Peer("peer_llama.py", options.llama / "SmolLM2-135M-Instruct-bf16.gguf",
                                             threads, path=options.llama))
        for suite in suites:
            if suite == "memory":
                continue
            say(suite)
            report[suite] = globals()["bench_" + suite](daemon, options, transformers, llama)
    if "memory" in suites:
        say("memory")
        report["memory"] = bench_memory(options)
    if options.json:
        print(json.dumps(report))
    else:
        print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
        print_table(report)


if __name__ == "__main__":
    main()
