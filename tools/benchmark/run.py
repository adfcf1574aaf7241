"""tools/bench: gpumodeld beside its peers, in alternating rounds. See tools/bench --help."""
import argparse
import json
import os
import pathlib

import figures
import leasing
import quality
import reuse
import serving
import sharing
import speed
import tokenizing
from harness import Skipped, say

SUITES = {**speed.SUITES, **serving.SUITES, **reuse.SUITES, **leasing.SUITES, **tokenizing.SUITES, **quality.SUITES, **sharing.SUITES}


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
    parser.add_argument("--redis-server", default="redis-server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--results", type=pathlib.Path, metavar="FILE")
    # argparse of Python 3.11 holds an absent list against the choices, too.
    parser.add_argument("suites", nargs="*", metavar="SUITE", choices=["all", *SUITES], default="all")
    options = parser.parse_args()
    names = SUITES if "all" in options.suites else options.suites

    report = {"machine": machine()}
    if not options.json:
        print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name in names:
        say(name)
        try:
            report[name] = SUITES[name].measure(options)
        except Skipped as reason:
            say(f"{name} skipped: {reason}")
            continue
        if not options.json:
            SUITES[name].table(report[name])
    if options.results:
        figures.write_results(options.results, report, options.rounds)
    if options.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
