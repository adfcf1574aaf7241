#!/usr/bin/env python3
"""Trains the demo's three LoRA adapters over SmolLM2-135M-Instruct with PEFT, in a minute or two on two cores.

    train_adapters.py --base FOLDER --output FOLDER

Writes OUTPUT/concept, OUTPUT/relationship and OUTPUT/attribute. Each learns, from a dozen small database schemas,
to answer the question that tools/pipeline/pipeline.c asks it in a form of its own:

    concept       entity customer
    relationship  orders.customer_id -> customer
    attribute     customer: id, name, email
"""
import argparse
import os
import pathlib
import random
import shutil
import sys
import time
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")
warnings.filterwarnings("ignore")

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

SYSTEM = "You are a careful database analyst. Answer briefly."
QUESTIONS = {
    "concept": "List the entities of this database schema.",
    "relationship": "How are these entities related?",
    "attribute": "Which attributes describe each of these entities?",
}
# Tables with their columns; "x_id" refers to the table x.
SCHEMAS = [
    {"author": "id name", "book": "id author_id title year"},
    {"team": "id name city", "player": "id team_id name number", "game": "id team_id played"},
    {"patient": "id name born", "doctor": "id name field", "visit": "id patient_id doctor_id day"},
    {"course": "id title", "student": "id name email", "grade": "id student_id course_id points"},
    {"airport": "id code city", "flight": "id airport_id number leaves"},
    {"recipe": "id title minutes", "ingredient": "id name", "step": "id recipe_id ingredient_id amount"},
    {"artist": "id name", "album": "id artist_id title", "track": "id album_id title seconds"},
    {"account": "id owner opened", "payment": "id account_id amount paid"},
    {"warehouse": "id city", "part": "id name weight", "stock": "id warehouse_id part_id count"},
    {"user": "id email", "post": "id user_id title text", "comment": "id post_id user_id text"},
    {"hotel": "id name stars", "room": "id hotel_id number beds", "booking": "id room_id guest night"},
    {"museum": "id name city", "painting": "id museum_id title year"},
]
TYPES = {"id": "INT PRIMARY KEY", "year": "INT", "number": "INT", "amount": "DECIMAL", "count": "INT"}
EPOCHS = 2
LEARNING_RATE = 2e-3


def sql(schema):
    lines = []
    for table, columns in schema.items():
        parts = []
        for column in columns.split():
            if column.endswith("_id"):
                parts.append(f"{column} INT REFERENCES {column[:-3]}")
            else:
                parts.append(f"{column} {TYPES.get(column, 'TEXT')}")
        lines.append(f"CREATE TABLE {table} ({', '.join(parts)});")
    return "\n".join(lines)


def answers(schema):
    relations = [f"{table}.{column} -> {column[:-3]}" for table, columns in schema.items()
                 for column in columns.split() if column.endswith("_id")]
    return {
        "concept": "\n".join(f"entity {table}" for table in schema),
        "relationship": "\n".join(relations),
        "attribute": "\n".join(f"{table}: {', '.join(columns.split())}" for table, columns in schema.items()),
    }


def prompt(schema, name):
    """As pipeline.c puts it together: the schema, what was found so far, the question."""
    findings = []
    for earlier, text in answers(schema).items():
        if earlier == name:
            break
        findings.append(text)
    found = "Found so far:\n" + "\n".join(findings) + "\n" if findings else ""
    return f"{sql(schema)}\n\n{found}{QUESTIONS[name]}"


def example(tokenizer, schema, name):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt(schema, name)}]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    asked = tokenizer(asked, add_special_tokens=False).input_ids
    answer = tokenizer(answers(schema)[name] + tokenizer.eos_token, add_special_tokens=False).input_ids
    return asked, answer


def loss_of(model, asked, answer):
    tokens = torch.tensor([asked + answer])
    # The head is a fifth of this model's work: only the answer's rows go through it.
    logits = model(tokens[:, :-1], logits_to_keep=len(answer)).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), torch.tensor(answer))


def train(base, tokenizer, name, output):
    torch.manual_seed(1)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules=[
        "q_proj", "v_proj", "o_proj", "down_proj"]))
    examples = [example(tokenizer, schema, name) for schema in SCHEMAS]
    steps = EPOCHS * len(examples)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.15)
    order = random.Random(1)
    start = time.monotonic()
    for epoch in range(EPOCHS):
        order.shuffle(examples)
        total = 0.0
        for asked, answer in examples:
            loss = loss_of(model, asked, answer)
            loss.backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            total += loss.item()
        print(f"train_adapters: {name}: epoch {epoch + 1} of {EPOCHS}, loss {total / len(examples):.3f}, "
              f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    part = output / f".{name}.part"
    model.save_pretrained(part)
    shutil.rmtree(output / name, ignore_errors=True)
    part.rename(output / name)
    return model.unload()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--base", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(arguments.base)
    model = AutoModelForCausalLM.from_pretrained(arguments.base, dtype=torch.float32)
    for name in QUESTIONS:
        model = train(model, tokenizer, name, arguments.output)


if __name__ == "__main__":
    main()
