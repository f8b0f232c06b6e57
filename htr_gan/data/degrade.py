"""What time does to a page: fading, bleed-through, stains, blur, uneven paper, noise, and what `effects` adds.

Each effect is a function of ink or paper in [0, 1] and a random generator. The draws of the first release come from one
generator in their old order, those of later effects from another, so that its lines keep their bytes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.data import effects
from htr_gan.data.augraphy_page import augraphy_page
from htr_gan.data.damage import RECIPES, Damage, Recipe
from htr_gan.data.paper import load_strips, place_strip
from htr_gan.data.render import Picture

Field = NDArray[np.float32]
Range = tuple[float, float]


def _towards_one(range_: Range, amount: float) -> Range:
    """The range of a factor, moved to 1 for an amount of 0; the range itself, to the bit, for 1."""
    low, high = (max(end * amount + (1.0 - amount), 0.02) for end in range_)
    return low, high


def smooth_field(shape: tuple[int, int], low: float, high: float, rng: np.random.Generator) -> Field:
    """A slowly changing random field between `low` and `high`."""
    height, width = shape
    coarse = rng.uniform(low, high, size=(3, max(width // 32, 3))).astype(np.float32)
    return np.asarray(
        np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), low, high), np.float32
    )


def blur(field: Field, sigma: float) -> Field:
    """Gaussian blur; `sigma` in pixels, nothing below a tenth of one."""
    return field if sigma < 0.1 else np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def fade(ink: Field, left: Range, rng: np.random.Generator) -> Field:
    """Ink that went pale in places."""
    return ink * smooth_field((ink.shape[0], ink.shape[1]), *left, rng)


def bleed_through(verso: Field, darkness: Range, strength: float, rng: np.random.Generator) -> Field:
    """The mirrored writing of the other side, as ink on this side."""
    soaked = blur(np.ascontiguousarray(verso[:, ::-1]), rng.uniform(0.8, 1.6))
    return soaked * np.float32(rng.uniform(*darkness) * strength)


def stains(shape: tuple[int, int], darkness: Range, strength: float, rng: np.random.Generator) -> Field:
    """One to three soft dark spots, as a share of light taken away."""
    height, width = shape
    spots = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        spot = np.zeros(shape, np.float32)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(height // 4, height * 2)), int(rng.integers(height // 6, height)))
        cv2.ellipse(spot, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.uniform(*darkness) * strength, -1)
        spots = np.maximum(spots, blur(spot, rng.uniform(1.0, 4.0)))
    return spots


def add_noise(page: Field, grain: Range, specks: float, strength: float, rng: np.random.Generator) -> Field:
    """Grain of the sensor and single dead pixels."""
    page = page + rng.standard_normal(page.shape, dtype=np.float32) * np.float32(rng.uniform(*grain) * strength)
    hits = rng.random(page.shape, dtype=np.float32)
    share = np.float32(specks * strength / 2)
    page[hits < share] = 0.0
    page[hits > 1 - share] = 1.0
    return page


def degrade(
    clean: Picture, verso: Picture, damage: Damage, rng: np.random.Generator, more: np.random.Generator
) -> Picture:
    """`clean` as an old page whose other side holds `verso`; `more` is the generator of the later effects."""
    recipe, strength = RECIPES[damage.recipe], damage.strength
    shape = (clean.shape[0], clean.shape[1])
    other = 1.0 - verso.astype(np.float32) / 255.0
    ink = fade(1.0 - clean.astype(np.float32) / 255.0, _towards_one(recipe.fade, damage.fade), rng)
    if damage.neighbours:
        ink = np.maximum(ink, effects.neighbours(other, damage.neighbours, more))
    ink = np.maximum(ink, bleed_through(other, recipe.bleed, strength * damage.bleed, rng))
    focus = 1.0 if recipe.blur_height is None else shape[0] / recipe.blur_height
    ink = blur(ink, rng.uniform(*recipe.blur) * strength * damage.blur * focus)
    uneven = smooth_field(shape, *_towards_one(recipe.paper, damage.paper), rng)
    spots = stains(shape, recipe.stain, strength * damage.stains, rng)
    paper = _paper(uneven, recipe, damage, more) * (1.0 - spots)
    if damage.pale:
        ink = effects.pale(ink, float(paper.mean()), recipe.contrast, damage.pale, more)
    page = add_noise(paper * (1.0 - ink), recipe.grain, recipe.specks, strength * damage.noise, rng)
    done = (np.clip(page, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    if damage.augraphy:
        done = augraphy_page(done, more)
    return effects.blocks(done, damage.blocks, more) if damage.blocks else done


def _paper(uneven: Field, recipe: Recipe, damage: Damage, more: np.random.Generator) -> Field:
    """The light of the empty page before stains: of a real strip, or rendered."""
    shape = (uneven.shape[0], uneven.shape[1])
    if damage.strips is not None:
        light = place_strip(load_strips(damage.strips), *shape, damage.paper, more)
    elif recipe.mottling:
        tone = np.float32(more.uniform(*_towards_one(recipe.tone, damage.paper)))
        light = uneven * tone * (1.0 + effects.mottling(shape, recipe.mottling * damage.paper, more))
    else:
        light = uneven
    return light * effects.shadow(shape, damage.shadow, more) if damage.shadow else light
