#!/usr/bin/env python3
"""What transformers computes in float with the weights of model folders, for parity tests.

    model_reference.py OUTPUT [--prompt IDS] FOLDER...

Writes OUTPUT/NAME/reference.json and reference.safetensors for every FOLDER named NAME, as make_models.py
describes them. The prompts are those of the folder's own reference.json; with --prompt it is IDS, comma-separated
token ids, instead.
"""
import argparse
import json
import pathlib

import make_models  # sets transformers' environment before it is imported
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--prompt", metavar="IDS")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        if arguments.prompt:
            prompts = [[int(token) for token in arguments.prompt.split(",")]]
        else:
            own = json.loads((folder / "reference.json").read_text())
            prompts = [prompt["tokens"] for prompt in own["prompts"]]
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        tensors, results = make_models.reference(model.eval(), prompts)
        target = arguments.output / folder.name
        target.mkdir(parents=True, exist_ok=True)
        save_file(tensors, target / "reference.safetensors")
        (target / "reference.json").write_text(json.dumps({"dtype": "fp32", "prompts": results}))


if __name__ == "__main__":
    main()
