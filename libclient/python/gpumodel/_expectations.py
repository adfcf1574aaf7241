"""What an application says of its models at its start, beside what the daemon, which decides it, serves."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATH_ARGUMENT = re.compile(r"(?P<model>.+)_(?P<what>model|adapter)_path")
# "Qwen2.5-14B-Instruct" says 14e9; "8x7B" and "A3B" say something else.
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([MB])(?![A-Za-z0-9])", re.IGNORECASE)
_UNITS = {"m": 1e6, "b": 1e9}
# Names round: a "2B" may have 2.6e9 parameters.
_SIZE_TOLERANCE = 1.4


@dataclass(frozen=True)
class Expected:
    model: str
    model_path: str | None = None
    adapter_path: str | None = None
    gpu_memory_utilization: float | None = None
    tensor_parallel_size: int = 1


def read_arguments(paths: Mapping[str, str | os.PathLike[str] | None], gpu_memory_utilization: float | None,
                   tensor_parallel_size: int) -> list[Expected]:
    """Of NAME_model_path and NAME_adapter_path, by name. TypeError, ValueError: what an argument cannot be."""
    if gpu_memory_utilization is not None and not 0 < gpu_memory_utilization <= 1:
        raise ValueError(f"gpu_memory_utilization is {gpu_memory_utilization}; it is a fraction above 0, to 1")
    if tensor_parallel_size < 1:
        raise ValueError(f"tensor_parallel_size is {tensor_parallel_size}; it is 1 or more")
    given: dict[str, dict[str, str | None]] = {}
    for argument, path in paths.items():
        matched = _PATH_ARGUMENT.fullmatch(argument)
        if matched is None:
            raise TypeError(f"there is no argument {argument!r}; models are given as NAME_model_path and "
                            "NAME_adapter_path")
        if path is not None:
            given.setdefault(matched["model"], {})[f"{matched['what']}_path"] = os.fspath(path)
    return [Expected(model, gpu_memory_utilization=gpu_memory_utilization, tensor_parallel_size=tensor_parallel_size,
                     **kinds) for model, kinds in given.items()]


def is_known(row: Mapping[str, Any]) -> bool:
    """Whether the daemon has looked at the model's files yet. `row`: of `status`."""
    return row.get("architecture") is not None


def differences(expected: Expected, row: Mapping[str, Any], devices: list[Mapping[str, Any]]) -> Iterator[str]:
    """Sentences, each with what was given, what is served, and who can change it."""
    yield from _of_model(expected, row)
    yield from _of_adapter(expected, row)
    yield from _of_memory(expected, row, devices)
    if expected.tensor_parallel_size > 1:
        yield (f"tensor_parallel_size={expected.tensor_parallel_size} was given; over how many devices "
               f"{expected.model} goes is decided by {_key(expected, 'tensor_parallel_size')}")


def _key(expected: Expected, key: str) -> str:
    return f"the daemon's configuration, [models.{expected.model}] {key}"


def _of_model(expected: Expected, row: Mapping[str, Any]) -> Iterator[str]:
    if expected.model_path is None:
        return
    prefix = f"{expected.model}_model_path={expected.model_path!r} was given, "
    suffix = f"; which files it has is decided by {_key(expected, 'path')}"
    architecture, served = _architecture_at(expected.model_path), row.get("architecture")
    if architecture is not None and architecture != served:
        yield f"{prefix}a {architecture}, and the daemon serves a {served}{suffix}"
    size, parameters = _size_in(expected.model_path), row.get("parameters")
    if size and parameters and not size / _SIZE_TOLERANCE <= parameters <= size * _SIZE_TOLERANCE:
        yield f"{prefix}and the daemon serves a model of {_rounded(parameters)} parameters{suffix}"


def _of_adapter(expected: Expected, row: Mapping[str, Any]) -> Iterator[str]:
    suffix = f"; {_key(expected, 'adapter')} decides"
    if expected.adapter_path is not None and not row.get("adapter_bytes"):
        yield (f"{expected.model}_adapter_path={expected.adapter_path!r} was given, and the daemon serves "
               f"{expected.model} without an adapter{suffix}")
    if expected.adapter_path is None and expected.model_path is not None and row.get("adapter_bytes"):
        yield (f"no {expected.model}_adapter_path was given, and the daemon serves {expected.model} with an "
               f"adapter{suffix}")


def _of_memory(expected: Expected, row: Mapping[str, Any], devices: list[Mapping[str, Any]]) -> Iterator[str]:
    share, needed = expected.gpu_memory_utilization, row.get("device_bytes")
    largest = max((device["capacity_bytes"] or 0 for device in devices), default=0)
    if share is not None and needed and largest and needed > share * largest:
        yield (f"gpu_memory_utilization={share} was given, and {expected.model} needs {needed / largest:.2f} of the "
               f"largest device; {_key(expected, 'gpu_memory_utilization')} decides")


def _architecture_at(path: str) -> str | None:
    """Of a local folder; None where there is none, as for a name on a hub."""
    try:
        config = json.loads((Path(path) / "config.json").read_text())
        return str(config["architectures"][0])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _size_in(path: str) -> float | None:
    sizes = _SIZE.findall(Path(path).name)
    return float(sizes[0][0]) * _UNITS[sizes[0][1].lower()] if len(sizes) == 1 else None


def _rounded(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
