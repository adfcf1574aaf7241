#!/usr/bin/env python3
"""Makes random LoRA adapters of model folders with PEFT, and what transformers computes with them in float.

    adapter_reference.py OUTPUT FOLDER...

For every FOLDER named NAME, which make_models.py made, writes the PEFT folders OUTPUT/NAME/first and
OUTPUT/NAME/second, each with a reference.json and a reference.safetensors as make_models.py describes them,
computed from the folder's own prompts. Adapters differ in rank, scale, modules and dtypes, and are the same at
each run with the same versions.
"""
import argparse
import json
import pathlib
import zlib

import make_models  # sets transformers' environment before it is imported
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
ATTENTION = ["q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "gate_up_proj", "down_proj"]
# (settings, dtype of lora_A by turns, dtype of lora_B)
RECIPES = [
    ({"r": 4, "lora_alpha": 8, "target_modules": ATTENTION + MLP}, [F32], F32),
    ({"r": 3, "lora_alpha": 5, "use_rslora": True, "target_modules": ["q_proj", "v_proj", "qkv_proj", "up_proj",
                                                                       "gate_up_proj"]}, [BF16], BF16),
    ({"r": 2, "lora_alpha": 6, "target_modules": ATTENTION[1:] + MLP,
      "rank_pattern": {r"layers\.0\.self_attn\.(k|v|qkv)_proj": 7, "down_proj": 5, "proj": 3},
      "alpha_pattern": {r".*\.1\..*": 9, "o_proj": 1.5}}, [F16], F32),
    ({"r": 9, "lora_alpha": 16, "use_rslora": True, "target_modules": ATTENTION + MLP,
      "alpha_pattern": {"model.layers.0.mlp.down_proj": 3}}, [BF16, F16, F32], F16),
    ({"r": 1, "lora_alpha": 1, "target_modules": ["down_proj", "k_proj", "qkv_proj"]}, [F32], BF16),
]


def randomise(model, generator):
    """A third of what the base's own weights add, whatever the rank and the scale."""
    with torch.no_grad():
        for module in model.modules():
            if not hasattr(module, "lora_A") or "default" not in module.lora_A:
                continue
            a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
            a.copy_(torch.randn(a.shape, generator=generator) / a.shape[1] ** 0.5)
            size = 0.4 / (abs(module.scaling["default"]) * a.shape[0] ** 0.5)
            b.copy_(size * torch.randn(b.shape, generator=generator))


def change_dtypes(folder, of_a, of_b):
    file = folder / "adapter_model.safetensors"
    tensors, turn = {}, 0
    for name, tensor in sorted(load_file(file).items()):
        if "lora_A" in name:
            tensors[name] = tensor.to(of_a[turn % len(of_a)])
            turn += 1
        else:
            tensors[name] = tensor.to(of_b)
    save_file(tensors, file)


def base_of(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=F32, attn_implementation="eager").eval()


def make(folder, recipe, target):
    settings, of_a, of_b = recipe
    base = base_of(folder)
    modules = {name.rsplit(".", 1)[-1] for name, _ in base.named_modules()}
    own = [name for name in settings["target_modules"] if name in modules]
    generator = torch.Generator().manual_seed(zlib.crc32(str(target.relative_to(target.parents[1])).encode()))
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **{**settings, "target_modules": own}))
    randomise(model, generator)
    model.save_pretrained(target)
    change_dtypes(target, of_a, of_b)
    # What is measured is the folder, read again.
    loaded = PeftModel.from_pretrained(base_of(folder), target).eval()
    prompts = [prompt["tokens"] for prompt in json.loads((folder / "reference.json").read_text())["prompts"]]
    tensors, results = make_models.reference(loaded, prompts)
    save_file(tensors, target / "reference.safetensors")
    (target / "reference.json").write_text(json.dumps({"dtype": "fp32", "prompts": results}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for number, folder in enumerate(arguments.folders):
        for turn, name in enumerate(("first", "second")):
            target = arguments.output / folder.name / name
            target.mkdir(parents=True, exist_ok=True)
            make(folder, RECIPES[(2 * number + turn) % len(RECIPES)], target)


if __name__ == "__main__":
    main()
