"""The suites about models that come and go for one program: load, lease, memory."""
import time

import sharing
from harness import MIB, Daemon, Suite, one_after_another, print_speeds, resident_bytes, summary
from speed import PROMPT, transformers_peer


def first_load_of_a_process(options):
    with transformers_peer(options) as peer:
        return peer.ask("load")["ms"]


def bench_load(options):
    with Daemon(options.bin, options.model) as daemon, transformers_peer(options) as transformers:
        start = time.perf_counter()
        daemon.exchange("--once", "freed")
        first = 1000 * (time.perf_counter() - start)
        speeds = one_after_another(options.rounds, {
            "gpumodeld": lambda: daemon.exchange("--once", "freed")["acquire_ms"],
            # What a program pays that loads its model itself; importing torch and transformers is not counted.
            "transformers": lambda: first_load_of_a_process(options),
            "the same again": lambda: transformers.ask("load")["ms"],
        })
        size = daemon.ctl("status", "--json")["weights"][0]["tensor_bytes"]
        speeds["bare copy"] = summary(sharing.floor(daemon, size, options.rounds)["copy_ms"])
    return {"speeds": speeds, "first_with_engine_start_ms": first}


def print_load(report):
    print_speeds("load, acquire to grant", report["speeds"], "ms",
                 [("gpumodeld", "transformers"), ("gpumodeld", "the same again"), ("gpumodeld", "bare copy")])
    print(f"  {'engine start and first load':<28}{report['first_with_engine_start_ms']:8.1f} ms")


def bench_lease(options):
    with Daemon(options.bin, options.model) as daemon:
        return daemon.exchange("kept", options.rounds)


def print_lease(report):
    print("lease of a resident model")
    for name in ("acquire", "release"):
        print(f"  {name:<14}{report[name + '_us']:8.1f} us   {report[name + '_us'] / report['ping_pong_us']:6.2f} x ping-pong")
    print(f"  {'ping-pong':<14}{report['ping_pong_us']:8.1f} us")


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
            "unload": unload, "idle_clients": sharing.idle_clients(options)}


def print_memory(report):
    kept = report["engine_after_bytes"] - report["engine_before_bytes"]
    print("memory")
    print(f"  broker idle   {report['broker_idle_bytes'] / MIB:8.1f} MiB")
    print(f"  engine kept   {kept / MIB:8.1f} MiB after its last release")
    idle = report["idle_clients"]
    print(f"  idle client   {idle['bytes_per_client'] / 1024:8.1f} KiB of the broker each, {idle['clients']} connected")


SUITES = {
    "load": Suite(bench_load, print_load),
    "lease": Suite(bench_lease, print_lease),
    "memory": Suite(bench_memory, print_memory),
}
