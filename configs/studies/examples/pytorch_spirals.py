"""Tell two spirals apart with PyTorch: `python pytorch_spirals.py --config spirals.yaml`. Logs to stderr."""

import argparse
import logging
import math
from pathlib import Path

import torch
import yaml
from torch import nn

log = logging.getLogger("spirals")


def spirals(count: int, noise: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy points of two spirals, and which one each is of."""
    angle = torch.sqrt(torch.rand(count, generator=generator)) * 3 * math.pi
    label = (torch.arange(count) % 2).float()
    sign = 1 - 2 * label
    points = torch.stack([sign * angle * torch.cos(angle), sign * angle * torch.sin(angle)], dim=1)
    return (points + noise * torch.randn(points.shape, generator=generator)) / 10, label


def build(hidden: list[int], activation: str) -> nn.Module:
    """A network of dense layers with one logit."""
    layers: list[nn.Module] = []
    width = 2
    for units in hidden:
        layers += [nn.Linear(width, units), getattr(nn, activation)()]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(0))


def main() -> None:
    """Train and log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    config = yaml.safe_load(parser.parse_args().config.read_text())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    torch.manual_seed(config["seed"])
    torch.set_num_threads(1)

    generator = torch.Generator().manual_seed(0)
    train_x, train_y = spirals(config["data"]["points"], config["data"]["noise"], generator)
    valid_x, valid_y = spirals(1000, config["data"]["noise"], generator)
    model = build(config["model"]["hidden"], config["model"]["activation"])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config["optimizer"]["lr"], amsgrad=config["optimizer"]["amsgrad"]
    )
    loss_of = nn.BCEWithLogitsLoss()

    for epoch in range(1, config["epochs"] + 1):
        total = 0.0
        order = torch.randperm(len(train_x))
        for batch in order.split(config["optimizer"]["batch"]):
            loss = loss_of(model(train_x[batch]), train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            output = model(valid_x)
            valid_loss = loss_of(output, valid_y).item()
            accuracy = ((output > 0) == valid_y.bool()).float().mean().item()
        log.info(
            "epoch %d/%d | train loss %.4f | valid loss %.4f acc %.4f",
            epoch, config["epochs"], total / len(train_x), valid_loss, accuracy,
        )  # fmt: skip


if __name__ == "__main__":
    main()
