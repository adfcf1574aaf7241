"""The suite tokenize: text into Qwen2.5's tokens, through the daemon and by Hugging Face's tokenizers."""
import os
import pathlib
import shutil
import sys
import tempfile

from harness import MIB, ONE_DEVICE, Daemon, Peer, Skipped, Suite, print_speeds, summary

ROOT = pathlib.Path(__file__).parents[2]
TEXT_BYTES = MIB


def testdata():
    return pathlib.Path(os.environ.get("GPUMODEL_TESTDATA", ROOT.parent / "shared" / "testdata"))


def require_testdata():
    path = testdata() / "tokenizers" / "qwen2.5" / "tokenizer.json"
    if not path.exists():
        raise Skipped(f"no {path}")


def sample_text():
    """Prose and code in this tree, and other writing systems between them, up to a mebibyte."""
    vectors = testdata() / "tokenizers" / "vectors" / "ggml-vocab-qwen2.gguf.inp"
    other = vectors.read_text(encoding="utf-8") if vectors.exists() else ""
    parts = []
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("daemon/**/*.[mch]*"), *ROOT.glob("libclient/*.c")]):
        if path.is_file():
            parts += [path.read_text(encoding="utf-8"), other]
    text = "".join(parts)
    while len(text) < TEXT_BYTES:
        text += text
    return text.encode()[:TEXT_BYTES].decode(errors="ignore")


def make_model(folder):
    """Qwen2.5's tokenizer over as little of a model as it can have."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    config = Qwen2Config(vocab_size=152064, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=2048,
                         tie_word_embeddings=True)
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(testdata() / "tokenizers" / "qwen2.5" / name, folder)


def bench_tokenize(options):
    require_testdata()
    with tempfile.TemporaryDirectory(prefix="gpumodel-bench.") as work:
        text = pathlib.Path(work) / "text"
        text.write_text(sample_text(), encoding="utf-8")
        size = text.stat().st_size / MIB
        model = pathlib.Path(work) / "qwen"
        make_model(model)
        with Daemon(options.bin, model, ONE_DEVICE, {"qwen": "auto_unload = false"}) as daemon, \
                Peer("peer_tokenizers.py", model / "tokenizer.json", text) as peer:
            peer.ask("encode")
            ours, theirs = [], []
            for _ in range(options.rounds):
                round_ = daemon.run("bench_tokenize", "qwen", text, 1)
                encoded = peer.ask("encode")
                if round_["tokens"] != encoded["tokens"]:
                    sys.exit(f"bench: {round_['tokens']} tokens, and {encoded['tokens']} by tokenizers")
                ours.append(size / round_["seconds"][0])
                theirs.append(size / encoded["seconds"])
    return {"gpumodeld": summary(ours), "tokenizers": summary(theirs)}


def print_tokenize(report):
    print_speeds("tokenize, Qwen2.5, one thread", report, "MiB/s", [("gpumodeld", "tokenizers")])


SUITES = {"tokenize": Suite(bench_tokenize, print_tokenize)}
