"""Who takes part: eager NumPy (autograd for gradients), tracegraph, and each peer that is installed. A library is imported
only when it is asked for, so that a fresh process pays for its own one alone."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.workload import Arguments, Workload, bound, leaves, map_leaves

__all__ = ["EAGER", "LIBRARIES", "OURS", "PEERS", "Library", "installed", "version"]

OURS = "tracegraph"
EAGER = "numpy"


class Library(NamedTuple):
    """One contender.

    Attributes:
        name: what it is called in the table.
        package: what must be installed.
        prepare: makes a callable of a workload, or None if it has no way to compute it.
        arguments: turns NumPy arrays into what it likes best; this is not timed.
        compiles: whether its first call is another matter than the later ones.
    """

    name: str
    package: str
    prepare: Callable[[Workload], Callable[..., Any] | None]
    arguments: Callable[[Arguments], Arguments] = lambda args: args
    compiles: bool = False


def _numpy(workload: Workload) -> Callable[..., Any] | None:
    return None if workload.argnums else bound(workload.function, np)


def _autograd(workload: Workload) -> Callable[..., Any] | None:
    variant = workload.variants.get("autograd")
    if not workload.argnums and variant is None:
        return None
    autograd = importlib.import_module("autograd")
    function = bound(variant or workload.function, importlib.import_module("autograd.numpy"))
    if not workload.argnums:
        return function
    return autograd.value_and_grad(function, argnum=workload.argnums)  # type: ignore[no-any-return]


def _tracegraph(workload: Workload) -> Callable[..., Any]:
    tracegraph = importlib.import_module("tracegraph")
    function = bound(workload.variants.get(OURS, workload.function), np)
    if workload.argnums:
        return tracegraph.value_and_grad(function, argnums=workload.argnums)  # type: ignore[no-any-return]
    return tracegraph.compile(function)  # type: ignore[no-any-return]


@functools.cache
def _jax() -> Any:
    """JAX with float64, once its backend has started: that is no part of a first call."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    jax.block_until_ready(jax.numpy.zeros(1))
    return jax


def _jax_call(workload: Workload) -> Callable[..., Any]:
    jax = _jax()
    function = bound(workload.variants.get("jax", workload.function), jax.numpy)
    compiled = jax.jit(jax.value_and_grad(function, argnums=workload.argnums) if workload.argnums else function)
    return lambda *args: jax.block_until_ready(compiled(*args))


def _jax_arguments(args: Arguments) -> Arguments:
    jax = _jax()

    def on_device(leaf: Any) -> Any:
        return jax.numpy.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf

    return map_leaves(on_device, args)  # type: ignore[no-any-return]


def _numexpr(workload: Workload) -> Callable[..., Any] | None:
    variant = workload.variants.get("numexpr")
    return None if variant is None else bound(variant, importlib.import_module("numexpr"))


def _torch(workload: Workload, *, is_compiled: bool = False) -> Callable[..., Any]:
    by_torch = importlib.import_module("benchmarks.by_torch")
    torch = importlib.import_module("torch")
    variant = workload.variants.get("torch", by_torch.VARIANTS.get(workload.name, workload.function))
    function = bound(variant, by_torch.torch_numpy())
    if is_compiled:
        settings: Any = importlib.import_module("torch._inductor.config")
        settings.compile_threads = 1  # or a pool of processes stays behind
        importlib.import_module("torch._dynamo").reset()  # all workloads share one code object, `over`, and its limit
        function = torch.compile(function)
    if not workload.argnums:
        return function

    def value_and_gradient(*args: Any) -> Any:
        given = list(args)
        for k in workload.argnums:
            given[k] = map_leaves(lambda leaf: leaf.detach().requires_grad_(), given[k])
        points = [given[k] for k in workload.argnums]
        value = function(*given)
        slopes = iter(torch.autograd.grad(value, list(leaves(points))))
        return value.detach(), map_leaves(lambda _: next(slopes), points)

    return value_and_gradient


def _torch_arguments(args: Arguments) -> Arguments:
    return map_leaves(importlib.import_module("benchmarks.by_torch").tensor, args)  # type: ignore[no-any-return]


def _numba(workload: Workload) -> Callable[..., Any] | None:
    return importlib.import_module("benchmarks.by_numba").KERNELS.get(workload.name)  # type: ignore[no-any-return]


def _pytensor(workload: Workload) -> Callable[..., Any]:
    pytensor, tensor = importlib.import_module("pytensor"), importlib.import_module("pytensor.tensor")
    function = bound(workload.variants.get("pytensor", workload.function), tensor)
    made: list[Callable[..., Any]] = []

    def variable(leaf: Any) -> Any:
        value = np.asarray(leaf)
        return tensor.tensor(dtype=value.dtype, shape=[None] * value.ndim)

    def build(args: Arguments) -> Callable[..., Any]:
        given = map_leaves(variable, args)
        points = [given[k] for k in workload.argnums]
        value = function(*given)
        results = value if not points else [value, *tensor.grad(value, list(leaves(points)))]
        return pytensor.function(list(leaves(given)), results, mode="NUMBA", on_unused_input="ignore")  # type: ignore[no-any-return]

    def call(*args: Any) -> Any:
        if not made:
            made.append(build(args))
        found = made[0](*leaves(args))
        if not workload.argnums:
            return found
        slopes = iter(found[1:])
        return found[0], map_leaves(lambda _: next(slopes), [args[k] for k in workload.argnums])

    return call


LIBRARIES: dict[str, Library] = {
    library.name: library
    for library in (
        Library(EAGER, "numpy", _numpy),
        Library("autograd", "autograd", _autograd),
        Library(OURS, "tracegraph", _tracegraph, compiles=True),
        Library("jax", "jax", _jax_call, _jax_arguments, compiles=True),
        Library("torch", "torch", _torch, _torch_arguments),
        Library("torch.compile", "torch", functools.partial(_torch, is_compiled=True), _torch_arguments, compiles=True),
        Library("numba", "numba", _numba, compiles=True),
        Library("pytensor", "pytensor", _pytensor, compiles=True),
        Library("numexpr", "numexpr", _numexpr),
    )
}
PEERS = tuple(name for name in LIBRARIES if name not in (EAGER, OURS))


def installed(wanted: Sequence[str]) -> list[str]:
    """NumPy, tracegraph and those of the wanted peers that are there."""
    return [
        name
        for name, library in LIBRARIES.items()
        if name in (EAGER, OURS, *wanted) and importlib.util.find_spec(library.package)
    ]


def version(package: str) -> str:
    """The version of a package; one that is run from its source has none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "from source"
