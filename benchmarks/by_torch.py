"""PyTorch for functions that are written for NumPy: a module of NumPy's names, and what its users would write themselves."""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.contractions import LAYERS, Layer, squared

__all__ = ["VARIANTS", "tensor", "torch_numpy"]


@functools.cache
def torch_numpy() -> Any:
    """`torch` with NumPy's names where its own differ; it knows `axis` and `keepdims` itself."""
    torch = importlib.import_module("torch")
    torch.set_default_dtype(torch.float64)

    def pad(x: Any, widths: Any) -> Any:
        return torch.nn.functional.pad(x, list(itertools.chain(*reversed(widths))))

    def bounded(of_tensors: Callable[..., Any], bound: str) -> Callable[..., Any]:
        def over(x: Any, y: Any) -> Any:
            return of_tensors(x, y) if isinstance(y, torch.Tensor) else torch.clamp(x, **{bound: y})

        return over

    names = {name: getattr(torch, name) for name in dir(torch) if not name.startswith("_")}
    own = {
        "copy": torch.clone,
        "max": torch.amax,
        "maximum": bounded(torch.maximum, "min"),
        "min": torch.amin,
        "minimum": bounded(torch.minimum, "max"),
        "pad": pad,
        "sort": lambda x: torch.sort(x)[0],
        "var": functools.partial(torch.var, correction=0),
    }
    return SimpleNamespace(**{**names, **own})


def tensor(leaf: Any) -> Any:
    """A NumPy array as a tensor over the same memory; a number as one without axes."""
    torch = importlib.import_module("torch")
    return torch.from_numpy(leaf) if isinstance(leaf, np.ndarray) else torch.tensor(leaf)


def _conv(layer: Layer) -> Callable[..., Any]:
    def conv(torch: Any, x: Any, w: Any) -> Any:
        return torch.conv2d(x, w, stride=layer.stride, padding=layer.padding)

    return conv


#: By the workload's name, for those that have none of their own.
VARIANTS: Mapping[str, Callable[..., Any]] = {
    **{f"conv {layer}": _conv(layer) for layer in LAYERS},
    **{f"gradient: conv {layer}": squared(_conv(layer)) for layer in LAYERS},
}
