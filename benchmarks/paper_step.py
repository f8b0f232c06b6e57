"""One training step of the paper preset (128 x 1024), ours against the same mathematics as a plain script writes it.

    .venv/bin/python -m benchmarks.paper_step                  # steps, memory, parts, validation; about 20 minutes and 14 GB
    .venv/bin/python -m benchmarks.paper_step --only steps --rounds 1 --config configs/gan/laptop.yaml

Each variant runs in a process of its own, in turn, so that peak memory is its own and a drift of the machine hits all alike.
`plain` asks the recogniser about the clean line in every step, in training mode on generated lines, computes a dense CTC, judges real and
fake lines in two passes with a tape for each network, and clips gradients twice.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.flops import forward_flops

ROOT = Path(__file__).parents[1]
STEPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ours": {},
    "ours, accumulation 4 x 1": {"train.batch": 1, "train.accumulation": 4},
    "ours, bfloat16": {"train.precision": "mixed_bfloat16"},
    "ours, bfloat16, accumulation 4 x 1": {
        "train.precision": "mixed_bfloat16",
        "train.batch": 1,
        "train.accumulation": 4,
    },
}
GIB = 2**30


def measured(run: Callable[[], Any], times: int) -> dict[str, float]:
    """Median wall and CPU seconds of `run`, after one call that traces it."""
    run()
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "wall_s": statistics.median(walls),
        "cpu_s": statistics.median(cpus),
        "best_wall_s": min(walls),
        "peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


class Setup:
    """Networks of a configuration with random weights, and random lines."""

    def __init__(self, config_path: Path, overrides: dict[str, Any], lines: int = 8) -> None:
        from htr_gan.config.load import load_config
        from htr_gan.config.schema import GanConfig, RecognizerConfig
        from htr_gan.data.lines import LineSet
        from htr_gan.data.words import sample_text
        from htr_gan.training.gan_task import GanTask
        from htr_gan.training.precision import choose_policy, layer_precision
        from htr_gan.training.recogniser_task import new_recogniser

        overrides = {"loss.ctc": 1, **overrides}  # all four terms, as in the experiments that the peer stands for
        config = load_config(config_path, [f"{key}={value}" for key, value in overrides.items()])
        assert isinstance(config, GanConfig)
        wanted = load_config(config.recognizer.config)
        assert isinstance(wanted, RecognizerConfig)
        rng = np.random.default_rng(1)
        shape = (lines, config.data.height, config.data.width)
        texts = tuple(sample_text(rng, config.data.text_length) for _ in range(lines))
        clean = rng.integers(0, 256, shape, np.uint8)
        degraded = rng.integers(0, 256, shape, np.uint8)
        line_set = LineSet(clean, degraded, texts)
        self.config = config
        with layer_precision(choose_policy(config.train.precision)):
            self.recogniser = new_recogniser(config.data, wanted.model, line_set.alphabet, use_cudnn=True)
        self.recogniser.trainable = False
        self.task = GanTask(config, line_set.alphabet, self.recogniser, line_set, line_set)
        self.lines = lines

    def batch(self) -> dict[str, Any]:
        """What one step sees."""
        from htr_gan.data.order import line_visits

        train = self.config.train
        visits = line_visits(self.lines, 1, 0, 1, train.batch * train.accumulation)
        (batch,) = self.task.batches(visits)
        return dict(batch)


def our_step(setup: Setup) -> Callable[[], Any]:
    """The step that `fit` runs."""
    import tensorflow as tf

    step, batch = tf.function(setup.task.model.train_step), setup.batch()
    return lambda: {name: float(value) for name, value in step(batch).items()}


def plain_step(setup: Setup) -> Callable[[], Any]:
    """The same networks and terms, written as scripts usually are."""
    import keras
    import tensorflow as tf

    from htr_gan.losses import adversarial_loss, discriminator_loss, feature_loss, pixel_loss
    from htr_gan.models.reading import read_greedy, with_begin

    model, weights, batch = setup.task.model, setup.config.loss, setup.batch()
    recogniser = setup.recogniser
    writer, judge = keras.optimizers.Adam(2e-4, clipnorm=1.0), keras.optimizers.Adam(2e-4, clipnorm=1.0)

    def dense_ctc(logits: Any, labels: Any) -> Any:
        lengths = tf.reduce_sum(tf.cast(labels > 0, tf.int32), axis=1)
        steps = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
        return tf.reduce_mean(tf.nn.ctc_loss(labels, logits, lengths, steps, logits_time_major=False, blank_index=0))

    @tf.function  # type: ignore[untyped-decorator]
    def step(batch: dict[str, Any]) -> tuple[Any, Any]:
        with tf.GradientTape() as tape, tf.GradientTape() as judge_tape:
            restored = model.generator(batch["degraded"], training=True)
            true = recogniser(batch["clean"], training=False)
            seen = recogniser(restored, training=True)
            texts = [
                with_begin(read_greedy(each["logits"]), model.texts.begin, model.texts.length) for each in (true, seen)
            ]
            real = model.discriminator({"line": batch["clean"], "text": texts[0]}, training=True)
            fake = model.discriminator({"line": restored, "text": texts[1]}, training=True)
            judge_loss = discriminator_loss(real, fake, 0.1)
            loss = (
                weights.pixel * pixel_loss(restored, batch["clean"])
                + weights.rec_feat * feature_loss(seen["features"], true["features"])
                + weights.ctc * dense_ctc(seen["logits"], batch["labels"])
                + weights.adv * adversarial_loss(fake)
            )
        for tape_, value, network, optimizer in (
            (tape, loss, model.generator, writer),
            (judge_tape, judge_loss, model.discriminator, judge),
        ):
            gradients, _ = tf.clip_by_global_norm(tape_.gradient(value, network.trainable_variables), 1.0)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss, judge_loss

    writer.build(model.generator.trainable_variables)
    judge.build(model.discriminator.trainable_variables)
    return lambda: [float(value) for value in step(batch)]


def parts_of(setup: Setup) -> dict[str, dict[str, float]]:
    """Forward and backward of each network by itself, with its operations."""
    import tensorflow as tf

    from htr_gan.models.reading import read_greedy, with_begin

    model, batch, recogniser = setup.task.model, setup.batch(), setup.recogniser
    lines = int(batch["clean"].shape[0])
    flops = {
        "generator": forward_flops(model.generator) * lines,
        "recogniser": forward_flops(recogniser) * lines,
        "discriminator": forward_flops(model.discriminator) * lines,
    }
    read = read_greedy(recogniser(batch["clean"], training=False)["logits"])
    text = with_begin(read, model.texts.begin, model.texts.length)

    @tf.function  # type: ignore[untyped-decorator]
    def generator() -> Any:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(tf.cast(model.generator(batch["degraded"], training=True), tf.float32))
        return _touch(tape.gradient(value, model.generator.trainable_variables))

    @tf.function  # type: ignore[untyped-decorator]
    def recogniser_clean() -> Any:
        return _touch(list(recogniser(batch["clean"], training=False).values()))

    @tf.function  # type: ignore[untyped-decorator]
    def recogniser_restored() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(batch["clean"])
            seen = recogniser(batch["clean"], training=False)
            value = sum(tf.reduce_mean(tf.cast(each, tf.float32)) for each in seen.values())
        return _touch([tape.gradient(value, batch["clean"])])

    @tf.function  # type: ignore[untyped-decorator]
    def discriminator() -> Any:
        variables = model.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(batch["degraded"])
            both = tf.concat([batch["clean"], batch["degraded"]], 0)
            logits = model.discriminator({"line": both, "text": tf.concat([text, text], 0)}, training=False)
            value = tf.reduce_mean(logits)
        return _touch(tape.gradient(value, [*variables, batch["degraded"]]))

    @tf.function  # type: ignore[untyped-decorator]
    def optimizers() -> Any:
        for optimizer, network in (
            (model.optimizer, model.generator),
            (model.discriminator_optimizer, model.discriminator),
        ):
            optimizer.apply([tf.zeros_like(v) for v in network.trainable_variables], network.trainable_variables)
        return tf.constant(0.0)

    work = {
        "generator, forward + backward": (generator, 3 * flops["generator"]),
        "recogniser on clean lines, forward": (recogniser_clean, flops["recogniser"]),
        "recogniser on restored lines, forward + gradient of the line": (recogniser_restored, 2 * flops["recogniser"]),
        "discriminator, both pairs": (discriminator, 6 * flops["discriminator"]),
        "optimizers with clipping": (optimizers, 0),
    }
    found = {}
    for name, (run, operations) in work.items():
        found[name] = {**measured(lambda run=run: float(run()), 3), "gflop": operations / 1e9}  # type: ignore[misc]
    return found


def _touch(tensors: Iterable[Any]) -> Any:
    """A number that needs every tensor, so that nothing is optimised away and nothing big is copied out."""
    import tensorflow as tf

    return tf.add_n([tf.reduce_max(tf.cast(tensor, tf.float32)) for tensor in tensors if tensor is not None])


def best_convolution() -> dict[str, float]:
    """GFLOP/s of the fastest convolution seen here, forward, for float32 and bfloat16."""
    import tensorflow as tf

    rates: dict[str, float] = {}
    for kind in ("float32", "bfloat16"):
        best = 0.0
        for channels, height, width, batch in ((512, 16, 128, 4), (64, 128, 1024, 1), (128, 64, 512, 2)):
            picture = tf.cast(tf.random.normal([batch, height, width, channels]), kind)
            kernel = tf.cast(tf.random.normal([3, 3, channels, channels]), kind)
            run = tf.function(lambda p=picture, k=kernel: tf.nn.conv2d(p, k, 1, "SAME"))
            took = measured(lambda run=run: run().shape and float(tf.cast(run()[0, 0, 0, 0], tf.float32)), 5)  # type: ignore[misc]
            operations = 2 * 2 * batch * height * width * channels * channels * 9  # two runs a call
            best = max(best, operations / took["best_wall_s"] / 1e9)
        rates[kind] = best
    return rates


def validation_of(setup: Setup) -> dict[str, dict[str, float]]:
    """A line of validation: as `fit` runs it, and eagerly with a second reading of the clean line, as scripts do."""
    import tensorflow as tf

    from htr_gan.metrics.picture import psnr, ssim
    from htr_gan.models.reading import read_greedy

    model, recogniser = setup.task.model, setup.recogniser
    batches = list(setup.task.held_out_batches())
    lines = setup.lines

    test_step = tf.function(model.test_step)

    def ours() -> None:
        for batch in batches:
            {name: float(value) for name, value in test_step(batch).items()}

    def plain() -> None:
        for batch in batches:
            for row in range(int(batch["clean"].shape[0])):
                clean, degraded = batch["clean"][row : row + 1], batch["degraded"][row : row + 1]
                restored = model.generator(degraded, training=True)
                for picture in (clean, restored):
                    read_greedy(recogniser(picture, training=True)["logits"]).numpy()
                float(psnr(restored, clean)[0] + ssim(restored, clean)[0])

    found = {}
    for name, run in (("plain", plain), ("ours", ours)):
        took = measured(run, 2)
        found[name] = {key: value / lines for key, value in took.items() if key.endswith("_s")}
    return found


def child(task: str, variant: str, config: Path) -> None:
    """One measurement, as a line of JSON."""
    overrides = STEPS.get(variant, {})
    if task == "steps":
        setup = Setup(config, overrides)
        found: Any = measured(plain_step(setup) if variant == "plain" else our_step(setup), 2)
    elif task == "parts":
        found = {"parts": parts_of(Setup(config, overrides)), "best": best_convolution()}
    else:
        found = validation_of(Setup(config, overrides))
    print("RESULT " + json.dumps(found))


def measure_in_process(task: str, variant: str, config: Path) -> Any:
    command = [
        sys.executable,
        "-m",
        "benchmarks.paper_step",
        "--child",
        task,
        "--variant",
        variant,
        "--config",
        str(config),
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[7:])
    raise SystemExit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")


def report_steps(config: Path, rounds: int) -> None:
    runs: dict[str, list[dict[str, float]]] = {variant: [] for variant in STEPS}
    for _ in range(rounds):
        for variant in STEPS:
            runs[variant].append(measure_in_process("steps", variant, config))
    peer = statistics.median(run["cpu_s"] for run in runs["plain"])
    print("| step | CPU-s | wall s | against plain (CPU) | peak memory GiB |\n|---|---|---|---|---|")
    for variant, found in runs.items():
        cpu, wall, memory = (
            statistics.median(run[key] for run in found) for key in ("cpu_s", "wall_s", "peak_rss_gib")
        )
        print(f"| {variant} | {cpu:.2f} | {wall:.2f} | {peer / cpu:.2f} | {memory:.1f} |")


def report_parts(config: Path) -> None:
    for variant in ("ours", "ours, bfloat16"):
        found = measure_in_process("parts", variant, config)
        best = found["best"]["bfloat16" if "bfloat16" in variant else "float32"]
        print(f"\n{variant}: best convolution {found['best']['float32']:.0f} GFLOP/s in float32, "
              f"{found['best']['bfloat16']:.0f} in bfloat16")  # fmt: skip
        print("| part | GFLOP | wall s | CPU-s | GFLOP/s | share of the best convolution |\n|---|---|---|---|---|---|")
        total, seconds = 0.0, 0.0
        for name, part in found["parts"].items():
            rate = part["gflop"] / part["wall_s"]
            total, seconds = total + part["gflop"], seconds + part["wall_s"]
            print(
                f"| {name} | {part['gflop']:.0f} | {part['wall_s']:.2f} | {part['cpu_s']:.2f} | {rate:.0f} | {rate / best:.0%} |"
            )
        print(f"| all | {total:.0f} | {seconds:.2f} | | {total / seconds:.0f} | {total / seconds / best:.0%} |")


def report_validation(config: Path) -> None:
    found = measure_in_process("validation", "ours", config)
    found["ours, bfloat16"] = measure_in_process("validation", "ours, bfloat16", config)["ours"]
    plain = found["plain"]["cpu_s"]
    print("\n| validation, a line | CPU-s | wall s | against plain (CPU) |\n|---|---|---|---|")
    for name, took in found.items():
        print(f"| {name} | {took['cpu_s']:.3f} | {took['wall_s']:.3f} | {plain / took['cpu_s']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "gan" / "paper.yaml")
    parser.add_argument("--only", choices=("steps", "parts", "validation"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--variant", default="ours", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if arguments.child:
        child(arguments.child, arguments.variant, arguments.config)
        return
    if arguments.only in (None, "steps"):
        report_steps(arguments.config, arguments.rounds)
    if arguments.only in (None, "parts"):
        report_parts(arguments.config)
    if arguments.only in (None, "validation"):
        report_validation(arguments.config)


if __name__ == "__main__":
    main()
