"""Lasagne's names for the functions between layers; they are those of `tracegraph.symbolic`."""

from __future__ import annotations

from typing import TypeVar

from tracegraph.symbolic._functions import elu, leaky_relu, relu, sigmoid, softmax, softplus, tanh

__all__ = ["elu", "leaky_rectify", "linear", "rectify", "sigmoid", "softmax", "softplus", "tanh"]

T = TypeVar("T")

rectify = relu
leaky_rectify = leaky_relu


def linear(x: T) -> T:
    """The input as it is."""
    return x
