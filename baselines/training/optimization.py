"""From a recipe's tables to a torch optimizer: parameter groups by name, rates and frozen parts by epoch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from vidsal.loaders.errors import WrongUse

START = "start_lr"


def make_optimizer(module: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Make the optimizer of a recipe.

    A parameter belongs to the first group whose pattern is found in its name, a frozen one too; a parameter of none is
    never trained. Groups without parameters are left out. Each group keeps its first rate under `start_lr`.

    Args:
        module: the network.
        settings: the recipe's table `optimizer`: `algorithm` (`sgd` or `adam`), `momentum`, `per_parameter` (each has a
            group of its own), `groups` (`match`, `lr`, `weight_decay`).

    Raises:
        WrongUse: no parameter matches, or no such algorithm.
    """
    rules = settings["groups"]
    chosen: list[list[nn.Parameter]] = [[] for _ in rules]
    order: list[tuple[int, nn.Parameter]] = []
    for name, parameter in module.named_parameters():
        number = next((i for i, rule in enumerate(rules) if re.search(rule["match"], name)), None)
        if number is not None:
            chosen[number].append(parameter)
            order.append((number, parameter))
    single = bool(settings.get("per_parameter"))
    members = [(i, [p]) for i, p in order] if single else [(i, c) for i, c in enumerate(chosen) if c]
    if not members:
        raise WrongUse("none of the network's parameters is in a group of the recipe; is it the recipe's network?")
    groups = [
        {"params": params, "lr": rules[i]["lr"], "weight_decay": rules[i]["weight_decay"], START: rules[i]["lr"]}
        for i, params in members
    ]
    if settings["algorithm"] == "sgd":
        return torch.optim.SGD(groups, lr=groups[0]["lr"], momentum=settings["momentum"])
    if settings["algorithm"] == "adam":
        return torch.optim.Adam(groups, lr=groups[0]["lr"])
    raise WrongUse(f"optimizer.algorithm is {settings['algorithm']!r}; sgd or adam was expected")


def rate_factor(epoch: int, schedule: Mapping[str, Any]) -> float:
    """Return by what the first rates are multiplied in an epoch (0-based).

    >>> rate_factor(2, {"decay": 0.5}), rate_factor(100, {"milestones": [100, 150], "milestone_factor": 0.1})
    (0.25, 0.1)
    """
    passed = sum(epoch >= milestone for milestone in schedule.get("milestones", ()))
    return float(schedule.get("decay", 1.0) ** epoch * schedule.get("milestone_factor", 1.0) ** passed)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Multiply the first rate of each group."""
    for group in optimizer.param_groups:
        group["lr"] = group[START] * factor


def freeze(module: nn.Module, epoch: int, rules: Iterable[Mapping[str, Any]]) -> None:
    """Let parameters learn from their epoch on; before it they have no gradient.

    Args:
        module: the network.
        epoch: 0-based.
        rules: `match`, a pattern of names, and `until`, the first epoch in which they learn.
    """
    for rule in rules:
        learns = epoch >= rule["until"]
        for name, parameter in module.named_parameters():
            if re.search(rule["match"], name):
                parameter.requires_grad_(learns)
                if not learns:
                    parameter.grad = None


def scale_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Multiply the present rate of each group."""
    for group in optimizer.param_groups:
        group["lr"] *= factor
