"""The classifier: trained in well under a second on the digits that scikit-learn brings along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

SIDE = 8
BRIGHTEST = 16
"""A picture is SIDE × SIDE numbers from 0 (ground) to BRIGHTEST (ink), row by row."""

_SEED = 7


@dataclass(frozen=True)
class Sample:
    """A picture and the digit that it shows."""

    pixels: list[int]
    digit: int


class Classifier:
    """Tells which digit a picture shows. Reading it from several threads is safe."""

    def __init__(self, regression: LogisticRegression) -> None:
        self._regression = regression

    def classify(self, pixels: Sequence[float]) -> tuple[int, float]:
        """The digit, and how sure the classifier is (0 to 1)."""
        probabilities = self._regression.predict_proba(np.asarray([pixels]) / BRIGHTEST)[0]
        best = int(np.argmax(probabilities))
        return best, float(probabilities[best])


def train() -> Classifier:
    """A classifier that has never seen the held-out samples."""
    pictures, _, digits, _ = _split()
    return Classifier(LogisticRegression(max_iter=1000).fit(pictures / BRIGHTEST, digits))


def held_out() -> list[Sample]:
    """The samples kept back from training: the same ones in every process, in an order that mixes the digits."""
    _, pictures, _, digits = _split()
    return [Sample([int(value) for value in picture], int(digit)) for picture, digit in zip(pictures, digits, strict=True)]


def accuracy(classifier: Classifier, samples: Sequence[Sample]) -> float:
    """The share of samples that the classifier gets right."""
    return sum(classifier.classify(sample.pixels)[0] == sample.digit for sample in samples) / len(samples)


def _split() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Pictures for training, held out, digits for training, held out."""
    bundle = load_digits()
    parts = train_test_split(bundle.data, bundle.target, test_size=0.25, random_state=_SEED, stratify=bundle.target)
    return parts[0], parts[1], parts[2], parts[3]
