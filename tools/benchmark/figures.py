"""The figures that gpumodeld holds itself to, drawn from a report of the suites, and the table of them in RESULTS.md."""
import datetime
import pathlib
import subprocess
import typing

BEGIN, END = "<!-- measured: tools/bench writes what stands between these lines -->", "<!-- end -->"
HEAD = """# Results

What `tools/bench all --results tools/benchmark/RESULTS.md` measured last. Each figure is of medians over alternating
rounds in one run on one machine; in brackets the least and the most of them.

"""


class Figure(typing.NamedTuple):
    """One line of the table. `least` and `most` bound the value; both absent where it is only reported."""
    name: str
    suite: str
    value: typing.Callable       # of the suite's report
    unit: str = "x"
    least: float | None = None
    most: float | None = None
    parts: typing.Callable = lambda report: {}  # what the value was made of: summaries by name

    def wanted(self):
        if self.least is not None:
            return f"at least {self.least:g} {self.unit}"
        return f"at most {self.most:g} {self.unit}" if self.most is not None else ""

    def is_met(self, value):
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def ratio(name, suite, ours, peer, within=lambda report: report, **bounds):
    """Of two medians of a suite's speeds or times."""
    def pair(report):
        speeds = within(report)
        return {ours: speeds[ours], peer: speeds[peer]}

    def value(report):
        first, second = pair(report).values()
        return first["median"] / second["median"]

    return Figure(name, suite, value, parts=pair, **bounds)


def speeds(report):
    return report["speeds"]


def context_growth(report):
    """How much faster the time of the longest context grew than its bytes, over the shortest."""
    rows = list(report.values())
    return (rows[-1]["median"] / rows[0]["median"]) / (rows[-1]["bytes"] / rows[0]["bytes"])


def loss(report, name):
    return 100 * (report[name]["perplexity"] / report["gpumodeld bf16"]["perplexity"] - 1)


FIGURES = [
    ratio("decode, bf16, batch 1, beside llama.cpp", "decode", "gpumodeld bf16", "llama.cpp bf16", speeds, least=0.97),
    ratio("decode, bf16, batch 1, beside transformers", "decode", "gpumodeld bf16", "transformers bf16", speeds, least=2.0),
    Figure("decode, bf16: share of the bytes that all cores can read", "decode",
           lambda report: 100 * speeds(report)["gpumodeld bf16"]["median"] * report["weights_bytes"]["bf16"]
           / report["bandwidth"]["bytes_per_s"], "%"),
    ratio("decode, int8, batch 1, beside our bf16", "decode", "gpumodeld int8", "gpumodeld bf16", speeds, least=1.6),
    ratio("decode, int8, batch 1, beside llama.cpp's Q8_0", "decode", "gpumodeld int8", "llama.cpp Q8_0", speeds, least=1.1),
    ratio("decode, int4, batch 1, beside llama.cpp's Q4_0", "decode", "gpumodeld int4", "llama.cpp Q4_0", speeds, least=1.1),
    ratio("prefill of 512 tokens, bf16, beside llama.cpp", "prefill", "gpumodeld", "llama.cpp", least=1.2),
    ratio("16 sequences in one batch, bf16, beside llama-batched-bench", "batch", "gpumodeld", "llama.cpp",
          lambda report: report["16"], least=1.5),
    ratio("32 sequences in one batch, bf16, beside llama-batched-bench", "batch", "gpumodeld", "llama.cpp",
          lambda report: report["32"], least=1.8),
    ratio("16 clients through the daemon, beside llama-server", "serve", "gpumodeld", "llama-server", least=1.5),
    ratio("repeated text with drafts, beside without", "extraction", "drafting", "plain", speeds, least=2.0),
    ratio("first token behind a known prefix, beside an unknown one", "prefix", "second", "first", most=0.15),
    Figure("daemon and library above the bare engine, a request", "overhead",
           lambda report: report["through the daemon"]["median"] - report["bare engine"]["median"], "ms", most=1.0,
           parts=lambda report: report),
    ratio("decode with one core taken by a stranger, beside undisturbed", "stranger", "gpumodeld, disturbed", "gpumodeld",
          least=0.6),
    ratio("load from the page cache, beside a bare copy", "load", "gpumodeld", "bare copy", speeds, most=1.5),
    ratio("load from the page cache, beside transformers", "load", "gpumodeld", "transformers", speeds, most=0.5),
    Figure("time of a step from 512 to 8,000 tokens of context, beside its bytes", "context", context_growth, most=1.15,
           parts=lambda report: report),
    Figure("acquire of a resident model, beside a ping-pong", "lease",
           lambda report: report["acquire_us"] / report["ping_pong_us"], most=2.5),
    Figure("broker when idle", "memory", lambda report: report["broker_idle_bytes"] / (1 << 20), "MiB", most=16),
    Figure("what an engine keeps after its last release", "memory",
           lambda report: (report["engine_after_bytes"] - report["engine_before_bytes"]) / (1 << 20), "MiB", most=64),
    Figure("an idle client of the broker", "memory",
           lambda report: report["idle_clients"]["bytes_per_client"] / 1024, "KiB", most=32),
    ratio("tokenizing, one thread, beside Hugging Face's tokenizers", "tokenize", "gpumodeld", "tokenizers", least=2.0),
    Figure("perplexity of int8, above bf16", "quality", lambda report: loss(report, "gpumodeld int8"), "%", most=0.5),
    Figure("perplexity of int4, beside llama.cpp's Q4_0", "quality",
           lambda report: report["gpumodeld int4"]["perplexity"] / report["llama.cpp Q4_0"]["perplexity"], most=1.0),
    ratio("switch to a model in the host cache, beside llama-server", "switch", "gpumodeld", "llama-server", most=0.25),
    ratio("50 clients that acquire and release, beside redis-server's PING", "clients", "gpumodeld", "redis-server",
          least=0.3),
]


def number(value):
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def part_text(name, row):
    return f"{name} {number(row['median'])} [{number(row['least'])} .. {number(row['most'])}]"


def rows(report):
    """A line of Markdown for each figure whose suite is in the report."""
    for figure in FIGURES:
        if figure.suite not in report:
            continue
        value = figure.value(report[figure.suite])
        parts = ", ".join(part_text(name, row) for name, row in figure.parts(report[figure.suite]).items())
        met = "" if not figure.wanted() else "met" if figure.is_met(value) else "**missed**"
        yield f"| {figure.name} | {number(value)} {figure.unit} | {figure.wanted()} | {met} | {parts} |"


def commit():
    root = pathlib.Path(__file__).parent
    described = subprocess.run(["git", "-C", root, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return described.stdout.strip() or "unknown"


def table(report, rounds):
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    return "\n".join([
        f"Commit {commit()}, {datetime.date.today().isoformat()}, {rounds} rounds; {machine}.", "",
        "| figure | measured | wanted | | of |", "|---|---|---|---|---|", *rows(report)])


def write_results(path, report, rounds):
    """Replaces the measured part of the file; what else stands there, such as why a figure is missed, stays."""
    text = path.read_text() if path.exists() else f"{HEAD}{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: {path} has no line '{BEGIN}' with a line '{END}' behind it; what should be replaced?")
    path.write_text(f"{before}{BEGIN}\n{table(report, rounds)}\n{END}{after}")
