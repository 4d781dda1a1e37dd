"""Tasks to train small networks on: data, splits, networks and errors.

Splits, shuffles and generated inputs are drawn by counter (SplitMix64), so that a seed gives the same data on every
machine, but for the last place of a sine. The images of digits and the measurements of tumours ship with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.traces.counter import draw, permute, stream_key, unit

Floats = NDArray[np.float32]
#: First words of the keys of streams, so that no two uses share numbers.
_SPLIT, _INPUTS = 0x5B117, 0x1A7075
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Part:
    """Rows of a task.

    Attributes
    ----------
    inputs : ndarray of float32, shape (rows, *shape)
        Standardised by the training part.
    targets : ndarray
        Classes, int64 of shape (rows,); or values, float32 of shape (rows, outputs), standardised too.
    """

    inputs: Floats
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Data:
    """A task's rows of one seed, in three parts that share none.

    Attributes
    ----------
    train, validation, test : Part
        To learn from, to choose by, and to report.
    """

    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class Task:
    """What is learnt, by which network, and how wrong it is.

    Attributes
    ----------
    name : str
    what : str
        The task in words.
    kind : {"classes", "values"}
    shape : tuple of int
        Of one input: (features,), or (channels, height, width).
    outputs : int
        Classes, or values.
    layers : tuple of int
        Widths of the hidden layers; behind a convolution those of the layers that follow it.
    channels : int
        Of a 3x3 convolution of stride 2 in front; 0 is none.
    parts : tuple of int
        Rows of the training, validation and test parts.
    epochs : int
        Of exact training; as many again of the training that is compared.
    batch : int
        Rows of a step.
    rate : float
        Learning rate (Adam).
    source : callable
        Seed -> inputs and targets of all rows, unscaled; rows of data that ships are those of every seed.
    """

    name: str
    what: str
    kind: Literal["classes", "values"]
    shape: tuple[int, ...]
    outputs: int
    layers: tuple[int, ...]
    parts: tuple[int, int, int]
    source: Callable[[int], tuple[NDArray[Any], NDArray[Any]]]
    channels: int = 0
    epochs: int = 30
    batch: int = 50
    rate: float = 0.01

    @property
    def measure(self) -> str:
        """What `error` is; less is better for all tasks."""
        return "classification error" if self.kind == "classes" else "RMS error / RMS of the values"

    def data(self, seed: int) -> Data:
        """Return the rows of a seed, split and standardised.

        Parameters
        ----------
        seed : int
            From 0 on; decides the split, and the rows where they are generated.
        """
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 63:
            raise InputError(f"task {self.name}: seed = {seed!r}: must be a whole number from 0 on")
        inputs, targets = self.source(seed)
        order = permute(np.arange(len(inputs), dtype=np.int64), len(inputs), stream_key(_SPLIT, seed))
        ends = np.cumsum(self.parts)
        rows = [order[end - size : end] for size, end in zip(self.parts, ends, strict=True)]
        # Pixels have one scale: each by its own, those that are hardly ever set would have the greatest values.
        inputs = _standardised(inputs, rows[0], together=len(self.shape) == 3)
        targets = targets.astype(np.int64) if self.kind == "classes" else _standardised(targets, rows[0])
        return Data(*(Part(inputs[each].reshape(-1, *self.shape), targets[each]) for each in rows))

    def error(self, answers: NDArray[Any], targets: NDArray[Any]) -> float:
        """Return how wrong a network is on some rows; less is better.

        Parameters
        ----------
        answers : ndarray of shape (rows, outputs)
            A score for each class, of which the first greatest is the answer; or values.
        targets : ndarray
            As `Part` has them.

        Returns
        -------
        float
            Share of rows with a wrong class; or root of the mean square error over that of the targets about 0,
            their mean over the training part, so that 1 is no better than always the mean.
        """
        if self.kind == "classes":
            return float(np.mean(np.argmax(answers, axis=1) != targets))
        wrong = np.asarray(answers, np.float64) - targets
        return float(np.sqrt(np.mean(wrong * wrong) / np.mean(np.square(targets, dtype=np.float64))))


def _standardised(values: NDArray[Any], train: NDArray[np.int64], together: bool = False) -> Floats:
    """Shift and scale columns, or all together, to mean 0 and variance 1 over the training rows."""
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    axis = None if together else 0
    mean, spread = flat[train].mean(axis=axis), flat[train].std(axis=axis)
    return np.asarray((flat - mean) / spread, np.float32)


def _shipped(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        from sklearn import datasets
    except ImportError:
        raise InputError(f"task {name}: needs scikit-learn: pip install 'archsim[train]'") from None
    loaded = {"digits": datasets.load_digits, "cancer": datasets.load_breast_cancer}[name]()
    return np.asarray(loaded.data, np.float64), np.asarray(loaded.target, np.int64)


@cache
def _digits() -> tuple[NDArray[Any], NDArray[Any]]:
    return _shipped("digits")


@cache
def _cancer() -> tuple[NDArray[Any], NDArray[Any]]:
    return _shipped("cancer")


def _uniform(seed: int, task: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return numbers in [0, 1), shape (rows, columns)."""
    places = np.arange(rows * columns, dtype=np.uint64)
    return unit(draw(stream_key(_INPUTS, task, seed), places)).reshape(rows, columns)


def arm(seed: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places that an arm of two links of length 0.5 reaches, and the angles of its joints.

    Returns
    -------
    inputs : ndarray of shape (rows, 2)
        Place x, y of the hand, of angles uniform from 0 to pi/2 (shoulder) and from pi/12 to pi/2 (elbow).
    targets : ndarray of shape (rows, 2)
        These angles in radians; each place has one such pair.
    """
    drawn = _uniform(seed, 1, rows, 2)
    shoulder = drawn[:, 0] * (np.pi / 2)
    elbow = np.pi / 12 + drawn[:, 1] * (np.pi * 5 / 12)
    both = shoulder + elbow
    place = 0.5 * np.stack([np.cos(shoulder) + np.cos(both), np.sin(shoulder) + np.sin(both)], axis=1)
    return place, np.stack([shoulder, elbow], axis=1)


def twiddles(seed: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return fractions x of a transform, uniform in [0, 1/2), and its factors cos(2 pi x), sin(2 pi x)."""
    fraction = _uniform(seed, 2, rows, 1) / 2
    angle = 2 * np.pi * fraction
    return fraction, np.concatenate([np.cos(angle), np.sin(angle)], axis=1)


def distances(seed: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pairs of colours, uniform in [0, 1)**3 each, and their Euclidean distances."""
    pair = _uniform(seed, 3, rows, 6)
    apart = pair[:, :3] - pair[:, 3:]
    return pair, np.sqrt((apart * apart).sum(axis=1, keepdims=True))


_GENERATED = (1000, 500, 1000)
TASKS = {
    task.name: task
    for task in (
        Task(
            "digits", "images of 8x8 pixels of handwritten digits", "classes", (1, 8, 8), 10, (),
            (900, 297, 600), lambda _seed: _digits(), channels=4, epochs=16, rate=0.005,
        ),
        Task(
            "cancer", "30 measurements of a tumour: malignant or benign", "classes", (30,), 2, (8,),
            (270, 99, 200), lambda _seed: _cancer(), epochs=32, batch=30, rate=0.005,
        ),
        Task(
            "arm", "inverse kinematics of an arm of two joints", "values", (2,), 2, (16,), _GENERATED,
            lambda seed: arm(seed, sum(_GENERATED)), batch=100,
        ),
        Task(
            "fft", "factors cos and sin of a Fourier transform", "values", (1,), 2, (16,), _GENERATED,
            lambda seed: twiddles(seed, sum(_GENERATED)), batch=100,
        ),
        Task(
            "kmeans", "Euclidean distance of two colours, as k-means takes it", "values", (6,), 1, (16, 8), _GENERATED,
            lambda seed: distances(seed, sum(_GENERATED)), batch=100,
        ),
    )
}  # fmt: skip


def task(name: str) -> Task:
    """Return a task by its name."""
    if name not in TASKS:
        raise InputError(f"task {name!r}: unknown{nearest(name, TASKS)}")
    return TASKS[name]
