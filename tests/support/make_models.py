#!/usr/bin/env python3
"""Makes small random model folders, and what transformers computes with them, for parity tests.

    make_models.py OUTPUT [NAME...]

Each folder OUTPUT/NAME is a Hugging Face folder (safetensors, sharded in some; a byte-level BPE
tokenizer trained here; a ChatML template) with a `reference.json`:

    {"name", "architecture", "dtype", "tied", "sharded",
     "prompts": [{"tokens": [ids],
                  "continuation": [24 ids, greedy],
                  "margins": [24 differences of the two best log-probabilities]}]}

and `reference.safetensors`, F32: `prompt.N.logprobs` of (positions, vocab), natural logarithms after
every position of prompt N, and `prompt.N.step_logprobs` of (24, vocab), those that chose the
continuation. All is computed in the folder's dtype with eager attention, and is the same at each run
with the same versions. A folder that is complete is not made again.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")
# transformers renames the cache's argument; the old name is the one that all of its 5.x take.
warnings.filterwarnings("ignore", category=FutureWarning, message=".*past_key_values.*")

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

# Raised whenever the folders change, so that those made before are made again.
RECIPE = 2
NEW_TOKENS = 24
PROMPT_LENGTHS = [1, 7, 75]
TOKENIZER_TOKENS = 300  # the models' vocabularies are larger
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CORPUS = [
    "The quick brown fox jumps over the lazy dog; the dog does not mind.",
    "A lease is the right of one connection to use one model until it releases it.",
    "In 1998 there were 365 days, 12 months and 52 weeks: numbers split digit by digit.",
    "Größe, naïve, 東京, Привет: text is more than ASCII.",
    "def load(path):\n    return open(path).read()\n",
]

LLAMA, QWEN2, QWEN3, MISTRAL, SMOLLM3 = "llama", "qwen2", "qwen3", "mistral", "smollm3"
GEMMA2, GEMMA3, PHI3 = "gemma2", "gemma3_text", "phi3"


def shape(kind, dtype, hidden, layers, heads, kv_heads, intermediate, vocab, *, tied, shards=False, old=False,
          rope=None, **extra):
    """A plan of a model. With `old`, config.json is written as transformers 4 did; `rope` is what then
    stands in rope_scaling, and else in rope_parameters."""
    return {
        "kind": kind, "dtype": dtype, "shards": shards, "old": old, "rope": rope or {},
        "settings": {
            "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "intermediate_size": intermediate, "vocab_size": vocab,
            "tie_word_embeddings": tied, **extra,
        },
    }


F32, BF16, F16 = torch.float32, torch.bfloat16, torch.float16
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 40}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
WINDOW = {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}
FULL, SLIDING = "full_attention", "sliding_attention"
# Each differs from the others in what a kernel, a table or a reader could get wrong: head sizes that
# no vector width divides, a head size other than hidden / heads, groups of 1, 3 and 7, row counts
# that are no multiple of anything, windows shorter than the prompts, every kind of rope.
MODELS = {
    "llama-f32-tied": shape(LLAMA, F32, 60, 3, 3, 1, 100, 331, tied=True),
    "llama-f32-biases": shape(LLAMA, F32, 96, 2, 6, 6, 150, 320, tied=False,
                              attention_bias=True, mlp_bias=True),
    "llama-f32-head40": shape(LLAMA, F32, 70, 2, 7, 1, 90, 512, tied=False, shards=True, head_dim=40,
                              rms_norm_eps=1e-5, rope_theta=500000.0),
    "llama-bf16-sharded": shape(LLAMA, BF16, 96, 4, 6, 2, 256, 400, tied=False, shards=True),
    "llama-bf16-tied": shape(LLAMA, BF16, 180, 3, 9, 3, 320, 384, tied=True, head_dim=64),
    "llama-f16": shape(LLAMA, F16, 64, 2, 4, 2, 128, 333, tied=True),
    "llama-f32-llama3": shape(LLAMA, F32, 64, 2, 4, 2, 96, 340, tied=True, rope=LLAMA3, rope_theta=500.0),
    "llama-bf16-llama3": shape(LLAMA, BF16, 72, 2, 3, 1, 96, 341, tied=False, old=True, rope=LLAMA3,
                               rope_theta=500000.0),
    "llama-f32-yarn": shape(LLAMA, F32, 64, 2, 2, 1, 96, 342, tied=True, rope=YARN),
    "llama-f32-linear": shape(LLAMA, F32, 48, 2, 4, 1, 64, 343, tied=False, old=True,
                              rope={"type": "linear", "factor": 3.0}),
    "llama-f32-dynamic": shape(LLAMA, F32, 48, 2, 2, 2, 64, 344, tied=False, old=True,
                               rope={"type": "dynamic", "factor": 2.0}, rope_theta=700.0),
    "qwen2-f32-tied": shape(QWEN2, F32, 140, 3, 7, 1, 160, 350, tied=True, rope_theta=1000000.0),
    "qwen2-bf16-sharded": shape(QWEN2, BF16, 120, 3, 6, 2, 200, 401, tied=False, shards=True),
    "qwen2-bf16-tied": shape(QWEN2, BF16, 128, 2, 2, 2, 192, 336, tied=True, sliding_window=16,
                             use_sliding_window=False),
    "qwen2-f32-window": shape(QWEN2, F32, 64, 3, 4, 2, 96, 345, tied=False, old=True, rope={
        "type": "yarn", "factor": 2.0, "original_max_position_embeddings": 48, "attention_factor": 0.9,
        "beta_fast": 16, "beta_slow": 2}, **WINDOW),
    "qwen3-f32": shape(QWEN3, F32, 64, 3, 4, 2, 96, 333, tied=False, shards=True, head_dim=24),
    "qwen3-f32-window": shape(QWEN3, F32, 60, 3, 6, 1, 80, 346, tied=True, head_dim=10, attention_bias=True,
                              rope_theta=1000000.0, **WINDOW),
    "qwen3-bf16": shape(QWEN3, BF16, 96, 3, 3, 1, 160, 347, tied=True, head_dim=64, old=True,
                        rope_theta=1000000.0),
    "qwen3-bf16-layer-types": shape(QWEN3, BF16, 64, 3, 8, 4, 96, 348, tied=False, head_dim=16,
                                    use_sliding_window=True, sliding_window=33,
                                    layer_types=[SLIDING, FULL, SLIDING]),
    "mistral-f32": shape(MISTRAL, F32, 64, 2, 4, 2, 96, 349, tied=False, sliding_window=None),
    "mistral-f32-window": shape(MISTRAL, F32, 60, 3, 5, 1, 80, 351, tied=True, sliding_window=7, old=True),
    "mistral-bf16": shape(MISTRAL, BF16, 72, 2, 6, 3, 128, 352, tied=False, head_dim=32, shards=True,
                          rope_theta=1000000.0),
    "mistral-bf16-window": shape(MISTRAL, BF16, 96, 3, 3, 3, 120, 353, tied=False, sliding_window=40),
    "smollm3-f32": shape(SMOLLM3, F32, 64, 5, 4, 1, 96, 354, tied=True),
    "smollm3-f32-window": shape(SMOLLM3, F32, 72, 4, 6, 2, 80, 355, tied=False, no_rope_layer_interval=2,
                                use_sliding_window=True, sliding_window=11, attention_bias=True, mlp_bias=True),
    "smollm3-bf16": shape(SMOLLM3, BF16, 96, 4, 3, 3, 128, 356, tied=True, old=True, shards=True,
                          no_rope_layers=[1, 0, 0, 1], rope_theta=10000.0),
    "smollm3-bf16-yarn": shape(SMOLLM3, BF16, 64, 3, 2, 1, 96, 357, tied=True, rope=YARN,
                               no_rope_layer_interval=3),
    "gemma2-f32": shape(GEMMA2, F32, 64, 3, 4, 2, 96, 358, tied=True, head_dim=24, sliding_window=9,
                        query_pre_attn_scalar=20, attn_logit_softcapping=2.0, final_logit_softcapping=8.0),
    "gemma2-f32-plain": shape(GEMMA2, F32, 60, 2, 3, 1, 80, 359, tied=False, head_dim=20, sliding_window=40,
                              old=True, attn_logit_softcapping=None, final_logit_softcapping=None,
                              attention_bias=True),
    "gemma2-bf16": shape(GEMMA2, BF16, 96, 4, 3, 3, 128, 360, tied=True, head_dim=32, sliding_window=32,
                         shards=True, query_pre_attn_scalar=32),
    "gemma2-bf16-head64": shape(GEMMA2, BF16, 72, 2, 2, 1, 96, 361, tied=True, head_dim=64, sliding_window=5,
                                query_pre_attn_scalar=64, final_logit_softcapping=10.0),
    "gemma3-f32": shape(GEMMA3, F32, 64, 4, 4, 2, 96, 362, tied=True, head_dim=24, sliding_window=9,
                        sliding_window_pattern=3, query_pre_attn_scalar=24, final_logit_softcapping=9.0),
    "gemma3-f32-scaled": shape(GEMMA3, F32, 60, 3, 3, 1, 80, 363, tied=False, head_dim=20, sliding_window=40,
                               old=True, sliding_window_pattern=2, query_pre_attn_scalar=30,
                               rope={"rope_type": "linear", "factor": 4.0}, rope_theta=100000.0),
    "gemma3-bf16": shape(GEMMA3, BF16, 96, 3, 3, 3, 128, 364, tied=True, head_dim=32, sliding_window=16,
                         sliding_window_pattern=2, shards=True, query_pre_attn_scalar=32),
    "gemma3-bf16-layer-types": shape(GEMMA3, BF16, 72, 3, 2, 1, 96, 365, tied=True, head_dim=64,
                                     sliding_window=31, query_pre_attn_scalar=64,
                                     layer_types=[FULL, SLIDING, FULL]),
    "phi3-f32": shape(PHI3, F32, 64, 2, 4, 2, 96, 366, tied=False, sliding_window=9),
    "phi3-f32-longrope": shape(PHI3, F32, 72, 3, 3, 3, 80, 367, tied=True, old=True, rope={
        "type": "longrope", "short_factor": [1.0 + 0.2 * i for i in range(12)],
        "long_factor": [2.0] * 12}, original_max_position_embeddings=256),
    "phi3-bf16": shape(PHI3, BF16, 96, 3, 4, 1, 128, 368, tied=False, shards=True),
    "phi3-bf16-partial": shape(PHI3, BF16, 128, 2, 4, 2, 96, 369, tied=True, rope={
        "rope_type": "longrope", "short_factor": [1.1] * 12, "long_factor": [2.0] * 12,
        "partial_rotary_factor": 0.75, "original_max_position_embeddings": 256},
        original_max_position_embeddings=256, sliding_window=50),
}


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=TOKENIZER_TOKENS, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, normalized=False, special=True) for token in special],
    ))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|endoftext|>", clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def randomise(model, generator):
    """Weights large enough that the greedy choice is not left to rounding: transformers' own initial
    values give logits near zero. Embeddings are no larger than what the layers add, or a tied model
    would only repeat its last token. Norms multiply by about one and biases are near zero, as in
    trained models."""
    unit = 0 if model.config.model_type in (GEMMA2, GEMMA3) else 1  # theirs multiply by 1 + weight
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                values = unit + 0.1 * values
            elif name.endswith(".bias"):
                values = 0.2 * values
            else:
                values = values * (1.3 / parameter.shape[1] ** 0.5)
            parameter.copy_(values)


def reference(model, prompts):
    """Log-probabilities of each prompt's prefill, then greedy decoding on the cache, in the model's dtype."""
    tensors, results = {}, []
    for number, tokens in enumerate(prompts):
        with torch.inference_mode():
            output = model(torch.tensor([tokens]), use_cache=True)
            logprobs = torch.log_softmax(output.logits[0].float(), dim=-1)
            steps, continuation, margins = [], [], []
            last = logprobs[-1]
            for _ in range(NEW_TOKENS):
                best = torch.topk(last, 2)
                steps.append(last)
                continuation.append(int(best.indices[0]))
                margins.append(float(best.values[0] - best.values[1]))
                output = model(torch.tensor([[continuation[-1]]]), use_cache=True,
                               past_key_values=output.past_key_values)
                last = torch.log_softmax(output.logits[0, -1].float(), dim=-1)
        tensors[f"prompt.{number}.logprobs"] = logprobs.contiguous()
        tensors[f"prompt.{number}.step_logprobs"] = torch.stack(steps)
        results.append({"tokens": tokens, "continuation": continuation, "margins": margins})
    return tensors, results


def make_config(plan, tokenizer):
    settings, rope = dict(plan["settings"]), dict(plan["rope"])
    theta = settings.pop("rope_theta", None)
    if plan["old"] or plan["kind"] == GEMMA3:
        if rope:
            settings["rope_scaling"] = rope
        if theta:
            settings["rope_theta"] = theta
    elif rope or theta:
        settings["rope_parameters"] = {"rope_type": "default", **rope, **({"rope_theta": theta} if theta else {})}
    return AutoConfig.for_model(
        plan["kind"], max_position_embeddings=512, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, **settings,
    )


def write_old_config(plan, folder):
    """Rewrites config.json with the keys of transformers 4."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["torch_dtype"] = config.pop("dtype")
    config.pop("rope_parameters")
    if "layer_types" not in plan["settings"]:
        config.pop("layer_types", None)
    for key in ("sliding_window_pattern", "rope_theta"):
        if key in plan["settings"]:
            config[key] = plan["settings"][key]
    config["rope_scaling"] = plan["rope"] or None
    file.write_text(json.dumps(config))


def make(name, folder, seed):
    plan = MODELS[name]
    generator = torch.Generator().manual_seed(seed)
    tokenizer = make_tokenizer()
    config = make_config(plan, tokenizer)
    model = AutoModelForCausalLM.from_config(config).float()
    randomise(model, generator)
    model = model.to(plan["dtype"])
    model.save_pretrained(folder, **({"max_shard_size": "100KB"} if plan["shards"] else {}))
    if plan["old"]:
        write_old_config(plan, folder)
    tokenizer.save_pretrained(folder)
    if plan["shards"] and not (folder / "model.safetensors.index.json").exists():
        sys.exit(f"make_models: {name} came out in one shard")

    # What is measured is the folder, read again, not the model that wrote it.
    loaded = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    if loaded.dtype != plan["dtype"]:
        sys.exit(f"make_models: {name} loads as {loaded.dtype}")
    vocab = config.vocab_size
    prompts = [torch.randint(0, vocab, (length,), generator=generator).tolist() for length in PROMPT_LENGTHS]
    tensors, results = reference(loaded, prompts)
    save_file(tensors, folder / "reference.safetensors")
    (folder / "reference.json").write_text(json.dumps({
        "recipe": RECIPE, "name": name, "architecture": type(model).__name__,
        "dtype": {F32: "fp32", BF16: "bf16", F16: "fp16"}[plan["dtype"]],
        "tied": config.tie_word_embeddings, "sharded": plan["shards"], "prompts": results,
    }))


def is_current(folder):
    try:
        return json.loads((folder / "reference.json").read_text())["recipe"] == RECIPE
    except (OSError, ValueError, KeyError):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all: " + ", ".join(MODELS))
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in MODELS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MODELS)}")
    torch.set_num_threads(1)  # the order of additions, and so each bit, is the same everywhere
    arguments.output.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(MODELS):
        target = arguments.output / name
        if (arguments.names and name not in arguments.names) or is_current(target):
            continue
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}.", dir=arguments.output))
        try:
            make(name, temporary, seed)
            temporary.chmod(0o755)
            for file in temporary.iterdir():
                file.chmod(0o644)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        print(f"made {name}", flush=True)


if __name__ == "__main__":
    main()
