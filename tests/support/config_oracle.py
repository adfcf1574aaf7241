#!/usr/bin/env python3
"""What transformers makes of config.json files, for parity tests.

    config_oracle.py < CONFIGS > RESULTS

CONFIGS is a JSON array of such files' contents, RESULTS one of objects, each read off the model that transformers
builds: {"kv_heads", "head_dim", "scale", "eps", "tied", "q_bias", "o_bias", "mlp_bias", "eos", "max_position",
"windows": [tokens by layer, 0 for none], "roped": [by layer], "ropes": [{"frequencies", "magnitude"}], of all layers
or of those without and of those with a window}. Where transformers refuses the file it is {"error"}.
"""
import json
import os
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")
warnings.filterwarnings("ignore")

import torch
from transformers import AutoConfig, AutoModelForCausalLM

FULL, SLIDING = "full_attention", "sliding_attention"


def windows(config):
    """Of the masks that the model's forward makes."""
    window = getattr(config, "sliding_window", None) or 0
    if config.model_type in ("mistral", "phi3"):
        return [window] * config.num_hidden_layers
    types = getattr(config, "layer_types", None) or [FULL] * config.num_hidden_layers
    return [window if kind == SLIDING else 0 for kind in types]


def ropes(rotary):
    if hasattr(rotary, "inv_freq"):
        return [{"frequencies": rotary.inv_freq.tolist(), "magnitude": float(rotary.attention_scaling)}]
    return [{"frequencies": getattr(rotary, f"{kind}_inv_freq").tolist(),
             "magnitude": float(getattr(rotary, f"{kind}_attention_scaling"))} for kind in (FULL, SLIDING)]


def describe(values):
    config = AutoConfig.for_model(values["model_type"], **{k: v for k, v in values.items() if k != "model_type"})
    model = AutoModelForCausalLM.from_config(config)
    layer = model.model.layers[0]
    attention = layer.self_attn
    keys = getattr(attention, "k_proj", None)
    heads = config.num_attention_heads
    kv_rows = keys.weight.shape[0] if keys else (attention.qkv_proj.weight.shape[0] - heads * attention.head_dim) // 2
    norm = layer.input_layernorm
    eos = config.eos_token_id
    return {
        "kv_heads": kv_rows // attention.head_dim,
        "head_dim": attention.head_dim,
        "scale": attention.scaling,
        "eps": norm.eps if hasattr(norm, "eps") else norm.variance_epsilon,
        "tied": model.lm_head.weight is model.model.embed_tokens.weight,
        "q_bias": (keys or attention.qkv_proj).bias is not None,
        "o_bias": attention.o_proj.bias is not None,
        "mlp_bias": layer.mlp.down_proj.bias is not None,
        "eos": [] if eos is None else eos if isinstance(eos, list) else [eos],
        "max_position": config.max_position_embeddings,
        "windows": windows(config),
        "roped": [bool(getattr(layer.self_attn, "use_rope", True)) for layer in model.model.layers],
        "ropes": ropes(model.model.rotary_emb),
    }


def main():
    torch.set_num_threads(1)
    results = []
    for values in json.load(sys.stdin):
        try:
            results.append(describe(values))
        except Exception as error:
            results.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
