"""The placeholder: what stands for an array while a function is traced.

It is a mutable handle on immutable nodes. All placeholders that share memory in NumPy share one `Storage` here, and see
it through their own chain of views; writing through one gives the storage a new node, which the others then read. What
NumPy's functions mean is not known here: the trace holds the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from tracegraph.errors import LeakError, TraceError, UnsupportedError, at
from tracegraph.ir import Node, set_where
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops import ALL
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.elementwise import convert, imag, make_complex, real
from tracegraph.ops.region import update
from tracegraph.ops.shape import inverse, reshape, transpose
from tracegraph.tracing.indexing import Region, parse_index
from tracegraph.tracing.trace import Trace, user_where

__all__ = ["Placeholder", "Storage"]

View = tuple[str, dict[str, Any]]


class Storage:
    """The memory that some placeholders share.

    Attributes:
        node: what it holds now.
        layout: how it is taken to lie: in C order.
        is_reshaped: whether someone sees it, or a copy of it, in another shape. Which of the two it is depends in NumPy
            on the order in memory, so once such memory is written to, arguments must really be in C order.
    """

    __slots__ = ("is_reshaped", "layout", "node")

    def __init__(self, node: Node, *, is_reshaped: bool = False) -> None:
        self.node = node
        self.layout = contiguous(node.shape)
        self.is_reshaped = is_reshaped


class Placeholder:
    """Stands for an array (or, if ``weak`` is set, for a Python number) of known shape and dtype."""

    __slots__ = ("_is_scalar", "_layout", "_node", "_seen", "_storage", "_trace", "_views", "_weak")

    def __init__(
        self,
        trace: Trace,
        storage: Storage,
        *,
        weak: type | None = None,
        is_scalar: bool = False,
        views: tuple[View, ...] = (),
        layout: Layout | None = None,
        node: Node | None = None,
    ) -> None:
        self._trace = trace
        self._storage = storage
        self._views = views
        self._layout = layout or storage.layout
        self._weak = weak
        self._is_scalar = is_scalar
        self._seen = storage.node
        self._node = node or storage.node

    # -- what the tracer asks ------------------------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """The node of the value as it is now."""
        if not self._trace.is_open:
            raise LeakError(
                at(f"a traced value of {self._node.aval} was used after its function had returned", self._node.where)
            )
        if self._seen is not self._storage.node:
            self._seen = node = self._storage.node
            for name, params in self._views:
                node = ALL[name](node, **params)
            self._node = node
        return self._node

    @property
    def weak(self) -> type | None:
        """`int`, `float`, `complex` or `bool` for a Python number, which takes the dtype of the arrays that it meets."""
        return self._weak

    @property
    def is_scalar(self) -> bool:
        """Whether NumPy would have a number here, which no one can change in place, rather than an array."""
        return self._is_scalar

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after another in the memory that it shares."""
        return self._layout.is_contiguous()

    @property
    def is_read_only(self) -> bool:
        """Whether several of its elements may be the same one in memory."""
        return any(name == "broadcast_to" for name, _ in self._views)

    @property
    def origin(self) -> Trace:
        return self._trace

    def fresh(self, node: Node, weak: type | None = None, *, is_array: bool = False) -> Placeholder:
        """A new array of the same trace; a number, as NumPy has it, if the shape is () and it is no array of that."""
        return Placeholder(self._trace, Storage(node), weak=weak, is_scalar=not (node.shape or is_array))

    def seen_as(self, name: str, **params: Any) -> Placeholder:
        """A view of this array by a view operation; a copy where NumPy would copy, as it does of a number."""
        node = ALL[name](self.node, **params)
        if self._is_scalar and name != "broadcast_to":
            return self.fresh(node, is_array=self._weak is not None)
        layout = self._layout.view(name, params)
        if name == "reshape" and _without_ones(node.shape) != _without_ones(self.shape):
            self._storage.is_reshaped = True
        if layout is None:
            return self.reshaped_copy(node)
        views = (*self._views, (name, params))
        return Placeholder(self._trace, self._storage, views=views, layout=layout, node=node)

    def reshaped_copy(self, node: Node) -> Placeholder:
        """A copy that NumPy makes of arrays in C order, where another order might have given a view."""
        return Placeholder(self._trace, Storage(node, is_reshaped=True), is_scalar=not node.shape)

    def write(self, value: Node) -> None:
        """Replaces the contents; every placeholder that shares the memory sees it."""
        if self._is_scalar:
            raise TypeError(f"'{self.dtype.type.__name__}' object does not support item assignment")
        self._trace.order_matters |= self._storage.is_reshaped
        self._storage.node = self._put(self._storage.node, self._views, value)

    def _put(self, whole: Node, views: tuple[View, ...], value: Node) -> Node:
        """``whole`` with what is seen through the views replaced."""
        if not views:
            return value
        (name, params), *rest = views
        if rest:
            value = self._put(ALL[name](whole, **params), tuple(rest), value)
        if name == "slice":
            return update(whole, value, starts=params["starts"], steps=params["steps"])
        if name == "transpose":
            return transpose(value, axes=inverse(params["axes"]))
        if name == "reshape":
            return reshape(value, shape=whole.shape)
        if name == "real":
            return make_complex(value, imag(whole))
        if name == "imag":
            return make_complex(real(whole), value)
        raise ValueError("assignment destination is read-only")

    # -- what NumPy asks -----------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        where = user_where()
        set_where(where)
        handler = self._trace.ufuncs.get(method)
        if handler is None:
            raise UnsupportedError(at(f"np.{ufunc.__name__}.{method} is not traced", where))
        return located(where, handler, ufunc, inputs, **kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        where = user_where()
        set_where(where)
        handler = self._trace.functions.get(function)
        if handler is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            raise UnsupportedError(at(f"{name} is not traced", where))
        return located(where, handler, *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        self._refuse("it was asked for its values (np.array, np.asarray, an assignment into a NumPy array)", "np.stack")

    # -- what Python asks ----------------------------------------------------------------------------------------------

    def __bool__(self) -> NoReturn:
        self._refuse("its truth was asked for (if, while, and, or, not, assert)", "np.where, np.logical_and")

    def __float__(self) -> NoReturn:
        self._refuse("float() was called on it", "x.astype(float)")

    def __complex__(self) -> NoReturn:
        self._refuse("complex() was called on it", "x.astype(complex)")

    def __int__(self) -> NoReturn:
        self._refuse("int() was called on it", "x.astype(int)")

    def __index__(self) -> NoReturn:
        self._refuse("it was used as an index or as a bound of range", "np.where")

    def item(self, *args: Any) -> NoReturn:
        self._refuse("item() was called on it", "an index, x[i]")

    tolist = item

    def _refuse(self, what: str, instead: str) -> NoReturn:
        message = (
            f"a traced value of {self._node.aval} has no number yet: {what}; write {instead} instead, "
            "or make the argument static (static_argnames=...) if it is a setting"
        )
        raise TraceError(at(message, user_where()))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = f"Python {self._weak.__name__}" if self._weak else repr(self._node.aval)
        return f"<traced {kind} from {self._node.op.name} at {self._node.where}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    # -- attributes and indexing ---------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._node.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self._node.aval.dtype

    @property
    def ndim(self) -> int:
        return len(self._node.aval.shape)

    @property
    def size(self) -> int:
        return self._node.aval.size

    @property
    def nbytes(self) -> int:
        return self._node.aval.nbytes

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        if self.ndim < 2:
            raise ValueError(at("matrix transpose with ndim < 2 is undefined", user_where()))
        return np.matrix_transpose(self)

    @property
    def real(self) -> Any:
        return self._part("real") if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Any:
        """A view of the imaginary part; of real arrays NumPy makes zeros that cannot be written to."""
        if self.dtype.kind == "c":
            return self._part("imag")
        zero = self.fresh(zeros_like(self.node), self._weak, is_array=not self._is_scalar)
        return zero if self._is_scalar else zero.seen_as("broadcast_to", shape=self.shape)

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            raise TypeError(at("array does not have imaginary part to set", user_where()))
        self.imag[...] = value

    def conj(self) -> Any:
        return _operate(np.conjugate, self) if self.dtype.kind == "c" else self

    conjugate = conj

    def _part(self, name: str) -> Placeholder:
        if self._is_scalar:
            return self.fresh(ALL[name](self.node), float if self._weak is complex else None)
        return self.seen_as(name)

    def __getitem__(self, index: Any) -> Any:
        where = user_where()
        set_where(where)
        region = located(where, parse_index, index, self.shape)
        seen = self._region(region)
        return self.fresh(seen.node, is_array=not region.is_scalar) if region.is_scalar or self._is_scalar else seen

    def __setitem__(self, index: Any, value: Any) -> None:
        where = user_where()
        set_where(where)
        region = located(where, parse_index, index, self.shape)
        located(where, self._trace.functions[np.copyto], self._region(region), value, casting="unsafe")

    def _region(self, region: Region) -> Placeholder:
        whole = region.sizes == self.shape and all(step == 1 for step in region.steps)
        seen = self if whole else self.seen_as("slice", **region.params)
        return seen.seen_as("reshape", shape=region.shape) if seen.shape != region.shape or seen is self else seen

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        return np.astype(self, dtype, copy=copy)  # type: ignore[call-overload]

    def fill(self, value: Any) -> None:
        self[...] = value

    def copy(self, order: str = "C") -> Any:
        return self if self._is_scalar else np.copy(self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def located(where: Any, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Calls a handler; a NumPy error that it raises gets the user's line."""
    try:
        return handler(*args, **kwargs)
    except (TypeError, ValueError, IndexError, OverflowError, UnsupportedError) as error:
        if "\n  at " not in str(error):
            _append_place(error, where)
        raise


def _append_place(error: Exception, where: Any) -> None:
    if not error.args or str(error) != str(
        error.args[0]
    ):  # NumPy makes the text of some of its errors from other parts
        error.add_note(at("", where).strip())
    else:
        error.args = (at(str(error.args[0]), where), *error.args[1:])


# -- operators and methods: each is the NumPy function of its name -----------------------------------------------------

_ARITHMETIC: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift, "divmod": np.divmod,
}  # fmt: skip
_COMPARISONS: dict[str, np.ufunc] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
_UNARY: dict[str, np.ufunc] = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}
_METHODS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in (
        "all any argmax argmin argsort choose clip compress cumprod cumsum diagonal dot max mean min nonzero prod "
        "ravel repeat round searchsorted squeeze std sum swapaxes take trace var"
    ).split()
}


#: What Python makes of an operation on two of its own numbers.
_PYTHON_KINDS: dict[str, type] = {"b": bool, "i": int, "f": float, "c": complex}


#: What two of Python's bools do as bools; all else they do as integers.
_ON_BOOLS = frozenset({*_COMPARISONS.values(), np.bitwise_and, np.bitwise_or, np.bitwise_xor})


def _operate(ufunc: np.ufunc, *operands: Any) -> Any:
    if all(_is_python_number(operand) for operand in operands):
        out = ufunc(*(operands if ufunc in _ON_BOOLS else map(_counted, operands)))
        return tuple(map(_python_number, out)) if isinstance(out, tuple) else _python_number(out)
    return ufunc(*operands)


def _python_number(value: Placeholder) -> Placeholder:
    return value.fresh(value.node, _PYTHON_KINDS[value.dtype.kind])


def _counted(value: Any) -> Any:
    """Python's True as 1."""
    if isinstance(value, Placeholder):
        return value.fresh(convert(value.node, dtype=np.dtype(int)), int) if value.weak is bool else value
    return int(value) if type(value) is bool else value


def _is_python_number(value: Any) -> bool:
    return value.weak is not None if isinstance(value, Placeholder) else type(value) in (bool, int, float, complex)


def _binary(ufunc: np.ufunc) -> Callable[[Placeholder, Any], Any]:
    def method(self: Placeholder, other: Any) -> Any:
        return NotImplemented if _defers(other) else _operate(ufunc, self, other)

    return method


def _reflected(ufunc: np.ufunc) -> Callable[[Placeholder, Any], Any]:
    def method(self: Placeholder, other: Any) -> Any:
        return NotImplemented if _defers(other) else _operate(ufunc, other, self)

    return method


def _unary(ufunc: np.ufunc) -> Callable[[Placeholder], Any]:
    def method(self: Placeholder) -> Any:
        return _operate(ufunc, self)

    return method


def _inplace(ufunc: np.ufunc) -> Callable[[Placeholder, Any], Any]:
    """``x += y`` writes into an array; a number, as in Python, is bound anew."""

    def method(self: Placeholder, other: Any) -> Any:
        return _operate(ufunc, self, other) if self.is_scalar else ufunc(self, other, out=(self,))

    return method


#: The exponents that NumPy's operator, but not its ufunc, takes as another function of an array.
_POWERS: dict[tuple[type, float], np.ufunc] = {
    (int, 2): np.square,
    (int, -1): np.reciprocal,
    (float, 0.5): np.sqrt,
}


def _power(self: Placeholder, other: Any) -> Any:
    known = _POWERS.get((type(other), other)) if type(other) in (int, float) and not self.is_scalar else None
    if known is None or not (self.dtype.kind in "fc" or known is np.square):
        return _power_of_any(self, other)
    if self.dtype.kind == "b":
        self = self.astype(np.int8)
    return known(self)


def _defers(other: Any) -> bool:
    """Whether the other operand's class asks NumPy to leave the operation to it."""
    return getattr(other, "__array_ufunc__", True) is None


_power_of_any = _binary(np.power)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Placeholder, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return method


def _reshape_method(self: Placeholder, *shape: Any, **kwargs: Any) -> Any:
    return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)


def _transpose_method(self: Placeholder, *axes: Any) -> Any:
    return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)


def _flatten_method(self: Placeholder, order: str = "C") -> Any:
    return np.copy(np.ravel(self, order))  # type: ignore[call-overload]


def _install() -> None:
    """Gives the placeholder Python's operators and NumPy's methods."""
    for name, ufunc in _ARITHMETIC.items():
        setattr(Placeholder, f"__{name}__", _binary(ufunc))
        setattr(Placeholder, f"__r{name}__", _reflected(ufunc))
        if ufunc.nout == 1:
            setattr(Placeholder, f"__i{name}__", _inplace(ufunc))
    for name, ufunc in _COMPARISONS.items():
        setattr(Placeholder, f"__{name}__", _binary(ufunc))
    for name, ufunc in _UNARY.items():
        setattr(Placeholder, f"__{name}__", _unary(ufunc))
    for name, function in _METHODS.items():
        setattr(Placeholder, name, _method(function))
    own = {"__pow__": _power, "reshape": _reshape_method, "transpose": _transpose_method, "flatten": _flatten_method}
    for name, method in own.items():
        setattr(Placeholder, name, method)


_install()
