"""The suites about work that is not done twice: prefix, extraction."""
import sys

from harness import Daemon, Suite, alternate, print_speeds, summary
from speed import decode_speed

PREFIX_TOKENS = 1000
# What a program asks to have extracted stands in the prompt, word for word.
SENTENCES = [
    "The harbour office opens at seven in the morning and closes when the last ferry has left.",
    "Passengers with bicycles wait at the northern gate, where the ramp is wide enough for two.",
    "Freight is weighed before noon, and what arrives later is stored in the brick warehouse.",
    "The warehouse keeper writes every crate into a ledger with a green cover.",
    "On Fridays the market boat brings apples, honey and wool from the islands.",
    "When fog lies over the bay, the pilot sounds the horn three times and waits for an answer.",
    "Children may visit the lighthouse on the first Sunday of each month.",
]

# ---- prefix


def bench_prefix(options):
    """First tokens of two requests that share all but their last tokens; a new prefix in every round."""
    first, second = [], []
    with Daemon(options.bin, options.model) as daemon:
        for number in range(options.rounds + 1):
            prefix = [3000 + number, *(2000 + (number * 31 + i * 13) % 20000 for i in range(1, PREFIX_TOKENS))]
            usages = [daemon.generate("kept", [*prefix, *tail], 1) for tail in ([100, 101, 102], [200, 201, 202])]
            # Whole pages are shared, so the last few tokens are computed again.
            if usages[0]["cached_tokens"] != 0 or usages[1]["cached_tokens"] < 0.9 * PREFIX_TOKENS:
                sys.exit(f"bench: the prefix cache gave {[usage['cached_tokens'] for usage in usages]} tokens")
            if number > 0:  # the first round warms up
                for values, usage in zip((first, second), usages):
                    values.append((usage["first_token_us"] - usage["queue_us"]) / 1e3)
    return {"first": summary(first), "second": summary(second)}


def print_prefix(report):
    print_speeds(f"first token of two requests with the same {PREFIX_TOKENS} tokens before it, bf16", report, "ms", [])
    print(f"  second / first: {report['second']['median'] / report['first']['median']:.3f}")


# ---- extraction


def bench_extraction(options):
    """The same answers, with drafts from the prompt and without."""
    with Daemon(options.bin, options.model, models={
            "drafting": "auto_unload = false", "plain": "auto_unload = false\nspeculation = false"}) as daemon:
        text = "\n".join(SENTENCES) + "\n"
        prompt = f"{text}\n{text}\n{SENTENCES[0]}\n"  # so small a model copies what it has seen twice
        tokens = daemon.ctl("tokenize", "plain", "--json", prompt)["tokens"]
        count = len(daemon.ctl("tokenize", "plain", "--json", "\n".join(SENTENCES[1:]))["tokens"])
        answers = {}

        def speed(model):
            answers[model] = daemon.answer(model, tokens, count)
            return decode_speed(answers[model]["usage"])

        speeds = alternate(options.rounds, {model: lambda model=model: speed(model) for model in ("drafting", "plain")})
    return {"speeds": speeds, "same_text": answers["drafting"]["text"] == answers["plain"]["text"],
            "repeated": sum(sentence in answers["plain"]["text"] for sentence in SENTENCES[1:])}


def print_extraction(report):
    print_speeds("extraction of a text from the prompt, greedy, bf16", report["speeds"], "tokens/s", [("drafting", "plain")])
    print(f"  {report['repeated']} of {len(SENTENCES) - 1} sentences came word for word;"
          f" {'the same text' if report['same_text'] else 'NOT the same text'} with drafts and without")


SUITES = {
    "prefix": Suite(bench_prefix, print_prefix),
    "extraction": Suite(bench_extraction, print_extraction),
}
