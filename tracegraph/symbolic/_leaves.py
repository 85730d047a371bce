"""What expressions begin with: inputs, which are fed, and parameters, which are kept between runs and may get their shape
only when the first batch is seen. Knows nothing of programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tracegraph.errors import FeedError, UnsupportedError, at
from tracegraph.ir import DTYPES, Aval, Shape, Where
from tracegraph.ops.leaf import input_node
from tracegraph.symbolic._expression import Expression, Symbol
from tracegraph.tracing import Placeholder, Storage, active_trace, node_of, user_where

__all__ = ["Initialiser", "Input", "Parameter", "matrix", "scalar", "tensor3", "tensor4", "vector"]

PartialShape = tuple[int | None, ...]
#: ``initialise(shape, dtype, generator)``: the first value of a parameter.
Initialiser = Callable[[Shape, np.dtype, np.random.Generator], np.ndarray]


class Input(Expression):
    """A value that is fed to each run. Made by `scalar`, `vector`, `matrix`, `tensor3` and `tensor4`.

    Attributes:
        shape: its extents, None where any will do.
        dtype: what is fed, or what that is converted to where nothing gets lost.
    """

    __slots__ = ("_needs_extents", "dtype", "shape")

    def __init__(self, shape: PartialShape, dtype: DTypeLike, name: str | None) -> None:
        super().__init__(_input, name=name)
        self.shape = shape
        self.dtype = _checked_dtype(dtype)
        self._needs_extents: bool = any(n is not None for n in shape)

    def fits(self, shape: Shape) -> bool:
        """Whether an array of this shape can be fed."""
        if len(shape) != len(self.shape):
            return False
        return not self._needs_extents or all(n is None or n == m for n, m in zip(self.shape, shape, strict=True))

    def accept(self, value: Any) -> np.ndarray:
        """What is fed as an array of the input's dtype.

        Raises:
            FeedError: its dtype does not fit, it has another rank, or another extent than was given.
        """
        if type(value) is not np.ndarray or value.dtype != self.dtype:
            value = self._converted(value)
        if not self.fits(value.shape):
            wanted = ", ".join("any" if n is None else str(n) for n in self.shape)
            raise FeedError(
                f"run: {self.describe()} was fed an array of rank {value.ndim} and shape {value.shape}; "
                f"expected rank {len(self.shape)} and shape ({wanted})"
            )
        return value  # type: ignore[no-any-return]

    def _converted(self, value: Any) -> np.ndarray:
        """Floats widen; integers become floats where each keeps its value; Python's numbers take the input's dtype."""
        array = self._as_array(value)
        given, wanted = array.dtype, self.dtype
        is_python = not isinstance(value, (np.ndarray, np.generic))
        are_integers = given.kind in "iu" and wanted.kind in ("fciu" if is_python else "fc")
        if not (are_integers or np.can_cast(given, wanted, "same_kind" if is_python else "safe")):
            raise FeedError(
                f"run: {self.describe()} was fed dtype {given}; expected {wanted}: convert it by "
                f'.astype("{wanted}"), or declare the input with dtype="{given}"'
            )
        if are_integers and array.size and not _keeps_integers(array, wanted):
            raise FeedError(
                f"run: {self.describe()} was fed {given} values between {array.min()} and {array.max()}, which {wanted} "
                f'cannot all hold exactly; declare the input with dtype="{given}"'
            )
        return array.astype(wanted)

    def _as_array(self, value: Any) -> np.ndarray:
        if isinstance(value, Symbol):
            raise FeedError(f"run: {self.describe()} was fed {value.expression.describe()}; expected an array")
        if isinstance(value, np.ma.MaskedArray):
            raise FeedError(f"run: {self.describe()} was fed a masked array; expected a plain one, such as x.filled(0)")
        try:
            return np.asarray(value)
        except (TypeError, ValueError) as error:
            raise FeedError(f"run: {self.describe()} was fed {value!r:.60}, which is no array: {error}") from None

    def describe(self) -> str:
        what = f"input {self.name!r}" if self.name else f"{_KINDS[len(self.shape)]}()"
        return f"{what} of {self.dtype}" + (f" (built at {self.where})" if self.where else "")


_KINDS = ("scalar", "vector", "matrix", "tensor3", "tensor4")


def _input() -> NoReturn:
    raise AssertionError("an input has no value of its own: it is fed")


def _keeps_integers(array: np.ndarray, dtype: np.dtype) -> bool:
    """Whether a dtype holds every integer as far as these reach exactly."""
    if dtype.kind in "fc":
        highest = 2 << int(np.finfo(dtype).nmant)
        lowest = -highest
    else:
        lowest, highest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return lowest <= int(array.min()) and int(array.max()) <= highest


def _checked_dtype(dtype: DTypeLike) -> np.dtype:
    found: np.dtype = np.dtype(dtype)
    if found not in DTYPES:
        raise UnsupportedError(
            at(f"dtype {found} is not supported; the dtypes are {', '.join(map(str, DTYPES))}", user_where())
        )
    return found


def _declare(ndim: int, shape: Sequence[int | None] | None, dtype: DTypeLike, name: str | None) -> Input:
    extents = (None,) * ndim if shape is None else tuple(shape)
    if len(extents) != ndim or any(n is not None and (not isinstance(n, int) or n < 0) for n in extents):
        raise ValueError(
            at(f"{_KINDS[ndim]}: expected a shape of {ndim} extents (None for any), got {shape!r}", user_where())
        )
    if name is not None and not isinstance(name, str):
        raise TypeError(
            at(f"{_KINDS[ndim]}: expected a name, got {name!r:.60}; a shape is given as shape=", user_where())
        )
    return Input(extents, dtype, name)


def scalar(name: str | None = None, *, dtype: DTypeLike = np.float64) -> Input:
    """An input that is one number.

    Args:
        name: for pictures and errors.
        dtype: of the values that are fed. Integers may be fed to a float input if it can hold them exactly, a narrower
            float to a wider one, and Python's numbers to either; anything else is refused.

    Raises:
        UnsupportedError: of the dtype.

    Example:
        >>> from tracegraph.symbolic import run
        >>> x = scalar("x")
        >>> float(run(x * x, feed={x: 3}))
        9.0
    """
    return _declare(0, (), dtype, name)


def vector(
    name: str | None = None, *, shape: Sequence[int | None] | None = None, dtype: DTypeLike = np.float64
) -> Input:
    """An input of one axis, for instance a batch of class indices. See `scalar`; ``shape`` has None for any extent."""
    return _declare(1, shape, dtype, name)


def matrix(
    name: str | None = None, *, shape: Sequence[int | None] | None = None, dtype: DTypeLike = np.float64
) -> Input:
    """An input of two axes. See `scalar`; ``shape`` has None for any extent, ``(None, 64)`` for batches of 64 features."""
    return _declare(2, shape, dtype, name)


def tensor3(
    name: str | None = None, *, shape: Sequence[int | None] | None = None, dtype: DTypeLike = np.float64
) -> Input:
    """An input of three axes. See `scalar`; ``shape`` has None for any extent."""
    return _declare(3, shape, dtype, name)


def tensor4(
    name: str | None = None, *, shape: Sequence[int | None] | None = None, dtype: DTypeLike = np.float64
) -> Input:
    """An input of four axes. See `scalar`; ``shape`` has None for any extent."""
    return _declare(4, shape, dtype, name)


class Parameter(Expression):
    """A value that is kept between runs and changed by updates.

    Programs take it as an argument, so that changing it compiles nothing.

    Args:
        value: its first value; or ``initialise(shape, dtype, generator)``, which makes one.
        shape: where it is initialised, its shape; or a function from the shape of ``source`` to it.
        source: the expression whose value, once a batch is seen, decides on shape and dtype.
        dtype: of an initialised one; that of the source if it is not given, float64 without a source.
        name: for pictures and errors.
        tags: what it may be chosen by, ``{"trainable", "regularizable"}``.
        seeds: whence its random numbers come; a stream of its own is spawned now.

    Raises:
        TypeError: an initialiser without a shape.
        UnsupportedError: of the dtype.

    Example:
        >>> w = Parameter(np.zeros(3), name="w")
        >>> w.set_value([1.0, 2.0, 3.0])
        >>> w.get_value()
        array([1., 2., 3.])
    """

    __slots__ = ("_dtype", "_generator", "_initialise", "_shape", "_source", "tags", "value")

    def __init__(
        self,
        value: ArrayLike | Initialiser,
        *,
        shape: Shape | Callable[[Shape], Shape] | None = None,
        source: Expression | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
        tags: Collection[str] = (),
        seeds: np.random.SeedSequence | None = None,
        where: Where | None = None,
    ) -> None:
        super().__init__(_parameter, name=name, where=where)
        self.tags = frozenset(tags)
        self._dtype = None if dtype is None else _checked_dtype(dtype)
        self._shape = shape
        self._source = source
        self._initialise = value if callable(value) else None
        self.value: np.ndarray | None = None
        if not callable(value):
            self.value = np.array(value, self._dtype, order="C")
            _checked_dtype(self.value.dtype)
            return
        self._generator = np.random.default_rng((seeds or self.seeds).spawn(1)[0])
        if isinstance(shape, tuple):
            self.value = self._first_value(shape, self._dtype or np.dtype(np.float64))
        elif shape is None or source is None:
            raise TypeError(
                at("Parameter: an initialiser needs a shape, or a source and a function of its shape", self.where)
            )

    @property
    def sources(self) -> Iterable[Expression]:
        """Until it has a value, the expression that its shape hangs on."""
        return () if self.value is not None or self._source is None else (self._source,)

    @property
    def source(self) -> Expression | None:
        """The expression that its shape hangs on, or hung on."""
        return self._source

    @property
    def shape(self) -> Shape | None:
        """Its shape; None while that is not known."""
        return None if self.value is None else self.value.shape

    @property
    def dtype(self) -> np.dtype | None:
        """Its dtype; None while that is not known."""
        return self._dtype if self.value is None else self.value.dtype

    def get_value(self) -> np.ndarray:
        """A copy of the value.

        Raises:
            ValueError: the first batch, which decides on its shape, has not been seen.
        """
        if self.value is None:
            raise ValueError(
                f"{self.describe()} has no value yet: its shape is known when the first batch is seen; run something that "
                "depends on it, or give the input a shape, for instance matrix(shape=(None, 64))"
            )
        return self.value.copy()

    def set_value(self, value: ArrayLike) -> None:
        """Replaces the value by a copy of another.

        Raises:
            ValueError: of another shape than the one it has.
            TypeError: of a dtype that its own cannot hold.
        """
        self.value = self.converted(value)

    def converted(self, value: ArrayLike) -> np.ndarray:
        """A copy as `set_value` would set it, and with its errors."""
        array = np.asarray(value)
        dtype = self.dtype or np.dtype(np.float64)
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise TypeError(at(f"{self.describe()} is of dtype {dtype}, it was given {array.dtype}", user_where()))
        if self.value is not None and array.shape != self.value.shape:
            message = f"{self.describe()} has shape {self.value.shape}, it was given {array.shape}"
            raise ValueError(at(message, user_where()))
        return array.astype(dtype, order="C")

    def evaluate(self, values: Mapping[Expression, Any]) -> Any:
        """A placeholder of its shape. If it has no value yet, its source has one here, and it is initialised."""
        if self.value is None:
            assert self._source is not None, "without a source it was initialised at once"
            assert callable(self._shape), "without a source it was initialised at once"
            source = node_of(values[self._source])
            dtype = self._dtype or (source.dtype if source.dtype.kind == "f" else np.dtype(np.float64))
            self.value = self._first_value(self._shape(source.shape), dtype)
        assert self.value is not None, "it has just been initialised"
        trace = active_trace()
        assert trace is not None, "expressions are evaluated inside a trace"
        return Placeholder(trace, Storage(input_node(Aval(self.value.shape, self.value.dtype), self.where)))

    def _first_value(self, shape: Shape, dtype: np.dtype) -> np.ndarray:
        assert self._initialise is not None, "it was made from a value"
        value = np.asarray(self._initialise(shape, dtype, self._generator))
        if value.shape != shape:
            raise ValueError(
                f"{self.describe()}: its initialiser gave an array of shape {value.shape}; expected {shape}"
            )
        return value.astype(dtype, order="C")

    def describe(self) -> str:
        name = f"parameter {self.name!r}" if self.name else "the parameter"
        return name + (f" (built at {self.where})" if self.where else "")


def _parameter() -> NoReturn:
    raise AssertionError("a parameter's value is bound by the program")
