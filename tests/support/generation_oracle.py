"""Greedy generation by transformers, in float, for the engine's integration test.

    generation_oracle.py FOLDER TEXT NEW_TOKENS

Prints {"prompt": [ids], "tokens": [ids], "margins": [log-probability of the best less the second's], "text": str}.
"""
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    folder, text, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(text)["input_ids"]
    tokens, margins, cache = [], [], None
    step = torch.tensor([ids])
    with torch.inference_mode():
        for _ in range(count):
            output = model(step, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            best = torch.topk(torch.log_softmax(output.logits[0, -1], dim=-1), 2)
            tokens.append(int(best.indices[0]))
            margins.append(float(best.values[0] - best.values[1]))
            step = torch.tensor([[tokens[-1]]])
    json.dump(
        {
            "prompt": ids,
            "tokens": tokens,
            "margins": margins,
            "text": tokenizer.decode(tokens, skip_special_tokens=True),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
