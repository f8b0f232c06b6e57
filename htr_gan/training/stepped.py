"""What both trained models share: named loss terms, accumulation, and a state that can be written and read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

SEED = "seed"
"""Part of the name of a seed in the state; checkpoints of the first release have none."""
_RATES = ("rate", "dropout", "recurrent_dropout", "stddev")
"""How Keras's layers call the strength of what they do at random."""


def learned_variables(network: Any) -> list[Any]:
    """Weights and moving averages, without the seeds (`seed_variables`), which no inference needs."""
    return [variable for variable in network.variables if "seed_generator" not in variable.path]


def seed_variables(network: Any) -> list[Any]:
    """The states of the seeds that training really draws from, in the order of the layers.

    Their own names count up within a process, so only their order is the same in the next one. Each LSTM keeps a seed
    for a dropout that it mostly does not have; such seeds never change and are left out.
    """
    found: list[Any] = []
    for layer in network._flatten_layers():
        rates = [getattr(layer, name, None) for name in _RATES]
        is_random = any(rates) or all(rate is None for rate in rates)
        if is_random:
            seeds = (value for value in vars(layer).values() if isinstance(value, keras.random.SeedGenerator))
            found.extend(seed.state for seed in seeds)
    return found


class Readings:
    """What a frozen or growing recogniser reads in the held-out lines: a row of labels a line, filled by test steps.

    Not a part of the state: each validation writes all of it. It lies in main memory, as cards cannot scatter int32.
    """

    def __init__(self, lines: int, steps: int) -> None:
        with tf.device("CPU:0"):
            self._labels = tf.Variable(tf.zeros([lines, steps], tf.int32), trainable=False, name="readings")

    def write(self, index: Any, labels: Any) -> None:
        """Put `labels` [batch, steps] into the rows `index` [batch]."""
        self._labels.scatter_update(tf.IndexedSlices(labels, index))

    def rows(self) -> NDArray[np.int32]:
        """All labels, int32 [lines, steps]."""
        return np.asarray(self._labels.numpy(), np.int32)


class SteppedModel(keras.Model):  # type: ignore[misc]
    """A model that `fit` can train, with its complete state by name.

    Subclasses set `optimizer`s through `compile` and list their networks in `networks()`. `measures` are the names of
    what `test_step` averages over the held-out lines; Keras puts `val_` before them.
    """

    def __init__(self, terms: Iterable[str], accumulation: int, name: str, measures: Iterable[str] = ()) -> None:
        super().__init__(name=name)
        self.accumulation = accumulation
        self.term_means = {term: keras.metrics.Mean(name=term) for term in terms}
        self.measure_means = {measure: keras.metrics.Mean(name=measure) for measure in measures}
        self.readings: Readings | None = None
        """Given by the task, which knows how many lines are held out."""
        self.schedule: Any = None
        """The learning rate's schedule, given by the task."""
        self.built = True  # its networks are; there is no call to trace

    @property
    def metrics(self) -> list[Any]:
        """The running means, which Keras resets at each epoch and before each validation."""
        return [*self.term_means.values(), *self.measure_means.values()]

    def track(self, terms: dict[str, Any]) -> dict[str, Any]:
        """Take the terms of a step into the means of the epoch, and return these."""
        for name, value in terms.items():
            self.term_means[name].update_state(value)
        return {name: mean.result() for name, mean in self.term_means.items()}

    def measure(self, measures: dict[str, Any], index: Any, labels: Any) -> dict[str, Any]:
        """Take what a test step found, one value a line, and what it read; return the means so far."""
        for name, values in measures.items():
            self.measure_means[name].update_state(values)
        if self.readings is not None:
            self.readings.write(index, labels)
        return {name: mean.result() for name, mean in self.measure_means.items()}

    def networks(self) -> dict[str, Any]:
        """The trained networks by name."""
        raise NotImplementedError

    def optimizers(self) -> dict[str, Any]:
        """The optimizers by name, built."""
        raise NotImplementedError

    def state_variables(self) -> dict[str, Any]:
        """Every variable that training changes, by a name that is the same in every process."""
        named: dict[str, Any] = {}
        for owner, network in self.networks().items():
            for variable in learned_variables(network):
                named[f"{owner}/{variable.path}"] = variable
            for index, variable in enumerate(seed_variables(network)):
                named[f"{owner}_{SEED}/{index:03d}"] = variable
        for owner, optimizer in self.optimizers().items():
            for index, variable in enumerate(optimizer.variables):
                if not variable.path.endswith("learning_rate"):  # comes from the configuration
                    named[f"{owner}_optimizer/{index:03d}/{variable.path}"] = variable
        return named

    def partial_means(self) -> dict[str, list[float]]:
        """The running means of an unfinished epoch: term to [total, count]."""
        return {name: [float(v.numpy()) for v in mean.variables] for name, mean in self.term_means.items()}

    def restore_means(self, means: dict[str, list[float]]) -> None:
        """Put `partial_means` back; terms that are new or gone do not matter."""
        for name, values in means.items():
            if name in self.term_means:
                for variable, value in zip(self.term_means[name].variables, values, strict=True):
                    variable.assign(value)


def first_not_finite(model: SteppedModel) -> str | None:
    """The name of a part of the state with a nan or an infinity in it."""
    for name, variable in model.state_variables().items():
        array = np.asarray(variable.numpy())
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            return name
    return None


def variable_arrays(model: SteppedModel) -> dict[str, NDArray[Any]]:
    """The state as arrays."""
    return {name: np.asarray(variable.numpy()) for name, variable in model.state_variables().items()}
