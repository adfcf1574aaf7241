"""Random logits and what transformers' logits processors leave of them.

Prints one JSON object: {"cases": [{"logits": [..], "prompt": [..], "output": [..], "settings": {..},
"kept": {"token": probability}, "log_softmax": [..]}]}. The processors run in the order of
GenerationMixin._get_logits_processor; probabilities are those of the softmax that follows.
"""
import json
import sys

import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.25},
    {"temperature": 7.5},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_k": 40},
    {"temperature": 1.0, "top_k": 100000},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 1.0, "top_p": 0.05},
    {"temperature": 3.0, "top_p": 0.97},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05},
    {"temperature": 1.3, "top_k": 64, "top_p": 0.95, "min_p": 0.02},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 0.9, "repetition_penalty": 0.8, "top_k": 50, "min_p": 0.05},
]


def filtered(logits, history, settings):
    scores = logits.unsqueeze(0)
    ids = torch.tensor([history])
    if "repetition_penalty" in settings:
        scores = RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"])(ids, scores)
    scores = TemperatureLogitsWarper(settings["temperature"])(ids, scores)
    if "top_k" in settings:
        scores = TopKLogitsWarper(settings["top_k"])(ids, scores)
    if "top_p" in settings:
        scores = TopPLogitsWarper(settings["top_p"])(ids, scores)
    if "min_p" in settings:
        scores = MinPLogitsWarper(settings["min_p"])(ids, scores)
    probabilities = scores.softmax(dim=-1)[0]
    return {int(i): float(probabilities[i]) for i in torch.nonzero(scores[0] > -float("inf"))[:, 0]}


def main():
    torch.manual_seed(20240611)
    cases = []
    for vocab in (17, 1000):
        for settings in SETTINGS:
            logits = torch.randn(vocab) * 3
            prompt = torch.randint(0, vocab, (8,)).tolist()
            output = torch.randint(0, vocab, (5,)).tolist()
            cases.append(
                {
                    "logits": logits.tolist(),
                    "prompt": prompt,
                    "output": output,
                    "settings": settings,
                    "kept": filtered(logits, prompt + output, settings),
                    "log_softmax": logits.log_softmax(dim=-1).tolist(),
                }
            )
    json.dump({"cases": cases}, sys.stdout)


if __name__ == "__main__":
    main()
