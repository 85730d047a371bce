"""The placeholder: what stands for an array while a function is traced.

It is a mutable handle on immutable nodes. All placeholders that share memory in NumPy share one `Storage` here, and see
it through their own chain of views; writing through one gives the storage a new node, which the others then read. What
NumPy's functions mean is not known here: the trace holds the tables.
"""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NoReturn

import numpy as np

from tracegraph.errors import LeakError, TraceError, TracegraphError, UnsupportedError, append_place, at
from tracegraph.ir import Node, set_where
from tracegraph.ir.layout import Layout
from tracegraph.ops import ALL
from tracegraph.ops.broadcast import reduced_shape, zeros_like
from tracegraph.ops.elementwise import ceil, convert, floor, imag, make_complex, power, real, rint, trunc
from tracegraph.ops.gather import gather, scatter, scatter_within
from tracegraph.ops.leaf import constant
from tracegraph.ops.region import update
from tracegraph.ops.shape import inverse, reshape, reshape_to, transpose
from tracegraph.tracing.indexing import Region, is_basic, parse_index
from tracegraph.tracing.sites import Items, looped
from tracegraph.tracing.trace import ListedError, Storage, Trace, called_by_user, is_users, user_where

__all__ = ["NO_WRITING", "Deferred", "Placeholder", "element", "put"]

#: What is said of writing into NumPy's own memory.
NO_WRITING = (
    "a traced value was to be written into a NumPy array made outside the trace; use np.zeros_like(x) of a traced x, or "
    "np.stack"
)

#: The operation, its parameters, and what it takes besides the array.
View = tuple[str, dict[str, Any], tuple[Node, ...]]


class Flags:
    """How an array lies in memory, given arguments in C order."""

    def __init__(self, array: Placeholder) -> None:
        in_order = array.is_contiguous
        self.c_contiguous = self.contiguous = in_order
        self.f_contiguous = array.T.is_contiguous
        self.fnc = self.f_contiguous and not in_order
        self.forc = self.f_contiguous or in_order
        self.owndata = self.aligned = True
        self.writeable = not array.is_read_only

    def __getitem__(self, name: str) -> bool:
        return bool(getattr(self, name.lower()))


class Flat:
    """The elements of an array in C order, as ``x.flat`` has them."""

    def __init__(self, array: Placeholder) -> None:
        self._array = array

    def __len__(self) -> int:
        return self._array.size

    def __iter__(self) -> Iterator[Any]:
        return iter(np.ravel(self._array))

    def __getitem__(self, index: Any) -> Any:
        return np.ravel(self._array)[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        flat: Any = np.copy(np.ravel(self._array))
        flat[index] = value
        self._array[...] = np.reshape(flat, self._array.shape)

    def copy(self) -> Any:
        return np.copy(np.ravel(self._array))


class Deferred:
    """What placeholders leave operations to."""

    __slots__ = ()


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
        if not views:
            trace.adopt(storage)

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
            for name, params, others in self._views:
                node = ALL[name](node, *others, **params)
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
        return any(name == "broadcast_to" or not params.get("distinct", True) for name, params, _ in self._views)

    @property
    def storage(self) -> Storage:
        """The memory that it shares."""
        return self._storage

    @property
    def views(self) -> tuple[View, ...]:
        """How it sees the memory."""
        return self._views

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
        return self._view(node, name, params, (), layout)

    def _view(
        self, node: Node, name: str, params: dict[str, Any], others: tuple[Node, ...], layout: Layout
    ) -> Placeholder:
        views = (*self._views, (name, params, others))
        return Placeholder(self._trace, self._storage, views=views, layout=layout, node=node)

    def row(self, axes: tuple[int, ...], numbers: tuple[Node, ...]) -> Placeholder:
        """The view at traced integers along some axes."""
        params = {"axes": axes, "distinct": True}
        node = gather(self.node, *numbers, **params)
        if self._is_scalar:
            return self.fresh(node)
        offset, *rest = self._layout
        shape, strides = (reduced_shape(each, axes) for each in rest)
        return self._view(node, "gather", params, numbers, Layout(offset, shape, strides))

    def windows(self, axis: int, places: Node, *, distinct: bool) -> Placeholder:
        """The view whose first axes are what is at places along an axis, side by side; for reading only if some of these
        are the same."""
        params = {"axes": (axis,), "distinct": distinct}
        node = gather(self.node, places, **params)
        if self._is_scalar:
            return self.fresh(node)
        offset, *rest = self._layout
        _, strides = (reduced_shape(each, (axis,)) for each in rest)
        step = self._layout.strides[axis]
        layout = Layout(offset, node.shape, (*(step,) * len(places.shape), *strides))
        return self._view(node, "gather", params, (places,), layout)

    def strided(self, shape: tuple[int, ...], strides: tuple[int, ...], *, writeable: bool) -> Placeholder:
        """The elements that lie at such places in the memory of the array, in bytes from its first one."""
        whole = self.base if self._views else self
        steps = [stride // self.itemsize for stride in strides]
        places = np.full(shape, self._layout.offset)
        for axis, (n, step) in enumerate(zip(shape, steps, strict=True)):
            places += np.arange(n).reshape(-1, *(1,) * (len(shape) - axis - 1)) * step
        is_inside = not places.size or (places.min() >= 0 and places.max() < whole.size)
        if whole.dtype != self.dtype or any(stride % self.itemsize for stride in strides) or not is_inside:
            raise UnsupportedError("np.lib.stride_tricks.as_strided is traced only within the elements of one array")
        flat = whole.seen_as("reshape", shape=(whole.size,))
        params = {"axes": (0,), "distinct": writeable and np.unique(places).size == places.size}
        numbers = (constant(places),)
        node = gather(flat.node, *numbers, **params)
        return flat._view(node, "gather", params, numbers, Layout(self._layout.offset, shape, tuple(steps)))

    def flattened(self, flat: Placeholder) -> Placeholder:
        """Its elements in a line: a view where they lie one after another, else a copy, even where a reshape is a view."""
        self._storage.is_reshaped = True
        return flat if self.is_contiguous else self.reshaped_copy(flat.node)

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
        (name, params, others), *rest = views
        if name == "slice" and len(rest) == 1 and rest[0][0] == "gather":
            written = scatter_within(whole, value, *rest[0][2], **rest[0][1], **params)
            if written is not None:
                return written
        if rest:
            value = self._put(ALL[name](whole, *others, **params), tuple(rest), value)
        if name == "gather":
            return scatter(whole, value, *others, **params)
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
        if self._trace.rolling is not None and any(isinstance(each, Deferred) for each in inputs):
            return NotImplemented
        where = user_where()
        set_where(where)
        handler = self._trace.ufuncs.get(method)
        if handler is None:
            raise UnsupportedError(at(f"np.{ufunc.__name__}.{method} is not traced", where))
        return located(where, handler, ufunc, inputs, **kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if len(types) > 1 and any(issubclass(each, Deferred) for each in types):
            return NotImplemented
        where = user_where()
        set_where(where)
        handler = self._trace.meaning(function)
        if handler is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            raise UnsupportedError(at(f"{name} is not traced", where))
        return located(where, handler, *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self._weak is int or (self._is_scalar and self.dtype.kind in "iu"):
            if _is_at(sys._getframe(1), "STORE_SUBSCR"):
                raise UnsupportedError(at(NO_WRITING, user_where()))
            return np.array(int(self), dtype or (None if self._weak else self.dtype))
        value = self._trace.settled(self.node)
        if value is None and self.dtype.kind in "iub" and _is_at(sys._getframe(1), "BINARY_SUBSCR"):
            value = self._trace.decide(self.node, "an array from outside was indexed by it", "np.take")
        library = called_by_user() if value is None else None
        if library is not None:
            raise UnsupportedError(at(f"{library} is not traced; write it in functions of NumPy's", user_where()))
        names = _ufuncs_in(sys._getframe(1)) if value is None else frozenset()
        if names:
            raise ListedError(at(f"a list of traced values was given to one of {sorted(names)}", user_where()), names)
        if value is None:
            self._refuse(
                "it was asked for its values (to be written into an array made outside, or by a function that is not "
                "np.something)",
                "np.stack, x.astype(dtype)",
            )
        return np.array(value, dtype)

    # -- what Python asks: numbers that the function goes on by ---------------------------------------------------------

    def __bool__(self) -> bool:
        bool(self._stand_in())
        node = reshape_to(self.node, ())
        node = node if node.dtype == bool else convert(node, dtype=np.dtype(bool))
        return bool(self._trace.decide(node, "its truth was asked for (if, while, and, or, not, assert)"))

    def __int__(self) -> int:
        int(self._stand_in())
        node = trunc(self.node) if self.dtype.kind == "f" else self.node
        return int(self._trace.decide(node, "int() was called on it", "x.astype(int)")[()])

    def __index__(self) -> int:
        operator.index(self._stand_in())
        why = "it was used as an index, a size or a bound of range"
        return operator.index(self._trace.decide(self.node, why)[()])

    def _stand_in(self) -> Any:
        """Something that Python and NumPy take or refuse as they would this value."""
        if self._weak is not None:
            return self._weak()
        zero = np.zeros((), self.dtype)
        return zero[()] if self._is_scalar else np.broadcast_to(zero, self.shape)

    def __float__(self) -> float:
        if _is_at(sys._getframe(1), "STORE_SUBSCR"):
            raise UnsupportedError(at(NO_WRITING, user_where()))
        if self.size == 1 and self.dtype.kind in "iub":
            return float(int(self))
        return float(self._frozen("float() was called on it", "x.astype(float), or np.sin for math.sin,"))

    def __complex__(self) -> complex:
        if self.size == 1 and self.dtype.kind in "iub":
            return complex(int(self))
        return complex(self._frozen("complex() was called on it", "x.astype(complex)"))

    def _frozen(self, what: str, instead: str) -> Any:
        """A value that only settings have a part in; of any other, a graph would keep one call's number for ever."""
        value = self._trace.settled(self.node)
        if value is None:
            self._refuse(what, instead)
        return value[()]

    def item(self, *args: Any) -> Any:
        """The element as one of Python's numbers; still traced."""
        places = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
        if not places and self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        if len(places) not in (0, 1, self.ndim):
            raise ValueError("incorrect number of indices for array")
        numbers = tuple(map(operator.index, places))
        one = self if not places else np.reshape(self, -1)[numbers[0]] if len(places) == 1 else self[numbers]
        kind = _PYTHON_KINDS[self.dtype.kind]
        return self.fresh(convert(reshape_to(one.node, ()), dtype=np.dtype(kind)), kind)

    def tolist(self) -> Any:
        return [each.tolist() for each in self] if self.shape else self.item()

    def _whole(self, rounded: Callable[[Node], Node]) -> Any:
        """The number, rounded, as one of Python's integers; still traced."""
        if not self._is_scalar:
            raise TypeError("type numpy.ndarray doesn't define __round__ method")
        node = rounded(self.node) if self.dtype.kind == "f" else self.node
        return self.fresh(convert(node, dtype=np.dtype(int)), int)

    def __round__(self, ndigits: int | None = None) -> Any:
        return self._whole(rint) if ndigits is None else np.round(self, ndigits)

    def __floor__(self) -> Any:
        return self.real._whole(floor) if self._weak is None else self._whole(floor)

    def __ceil__(self) -> Any:
        return self.real._whole(ceil) if self._weak is None else self._whole(ceil)

    def __trunc__(self) -> Any:
        return self._whole(trunc)

    def _refuse(self, what: str, instead: str) -> NoReturn:
        message = (
            f"a traced value of {self._node.aval} has no number yet: {what}; write {instead} instead, "
            "or make the argument static (static_argnames=...) if it is a setting"
        )
        raise TraceError(at(message, user_where()))

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class that NumPy's value would have: ``isinstance(x, np.ndarray)`` takes the array branch."""
        return self._weak or (self.dtype.type if self._is_scalar else np.ndarray)

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        items = Items(self.shape[0], self.__getitem__)
        return looped(items, sys._getframe(1)) or (items.at(k) for k in range(items.length))

    def __hash__(self) -> int:
        if not self._is_scalar:
            raise TypeError("unhashable type: 'numpy.ndarray'")
        return hash(self._trace.decide(self.node, "it was used as a key")[()])

    def __repr__(self) -> str:
        kind = f"Python {self._weak.__name__}" if self._weak else repr(self._node.aval)
        return f"<traced {kind} from {self._node.op.name} at {self._node.where}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    # -- attributes and indexing ---------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._node.aval.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        seen: Any = np.reshape(self, shape)
        if seen._storage is not self._storage:
            raise AttributeError("incompatible shape for in-place modification; use `.reshape()` to make a copy")
        self._views, self._layout, self._node = seen._views, seen._layout, seen._node

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
    def strides(self) -> tuple[int, ...]:
        self._tell_order()
        is_empty = 0 in self._storage.layout.shape
        return tuple(0 if is_empty else stride * self.itemsize for stride in self._layout.strides)

    @property
    def flags(self) -> Flags:
        self._tell_order()
        return Flags(self)

    def _tell_order(self) -> None:
        """Notes that what is told of the memory is right for arguments in C order only; bodies of NumPy's functions that run
        on placeholders, in namespaces of their own, ask only how to be fast."""
        self._trace.order_matters |= type(sys._getframe(2).f_globals) is dict

    @property
    def nbytes(self) -> int:
        return self._node.aval.nbytes

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def flat(self) -> Flat:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        self[...] = np.resize(value, self.shape)

    @property
    def base(self) -> Any:
        """The array that this one is a view of."""
        return Placeholder(self._trace, self._storage) if self._views else None

    @property
    def device(self) -> str:
        return "cpu"

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        if (dtype is None or np.dtype(dtype) == self.dtype) and type in (None, np.ndarray):
            return self[...]
        message = "looking at the bits of an array as another dtype is not traced; write x.astype(dtype)"
        raise UnsupportedError(at(message, user_where()))

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        return np.compress(condition, self, axis, out)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and hasattr(np.ndarray, name):
            raise UnsupportedError(at(f"x.{name} of an array is not traced", user_where()))
        raise AttributeError(f"'{self.__class__.__name__}' object has no attribute '{name}'")

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
        if self._weak:
            raise TypeError(at(f"'{self._weak.__name__}' object is not subscriptable", where))
        if self._trace.rolling is not None and self._trace.rolling.is_growing(index):
            return self._trace.rolling.pick(self, index)
        if is_basic(index):
            return self.part(located(where, parse_index, index, self.shape))
        handler: Any = self._trace.meaning(operator.getitem)
        return located(where, handler, self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        where = user_where()
        set_where(where)
        if self._is_scalar:
            raise TypeError(at(f"'{self.__class__.__name__}' object does not support item assignment", where))
        if self.is_read_only:
            raise ValueError(at("assignment destination is read-only", where))
        if self._trace.rolling is not None and self._trace.rolling.is_growing(index):
            self._trace.rolling.assign(self, index, value)
            return
        if is_basic(index):
            region = located(where, parse_index, index, self.shape)
            located(where, put, self.region(region), value, is_element=region.is_scalar)
        else:
            handler: Any = self._trace.meaning(operator.setitem)
            located(where, handler, self, index, value)

    def part(self, region: Region) -> Placeholder:
        """What a basic index gives: a view, or a number."""
        seen = self.region(region)
        return self.fresh(seen.node, is_array=not region.is_scalar) if region.is_scalar or self._is_scalar else seen

    def region(self, region: Region) -> Placeholder:
        """A region of the array, to be read or written."""
        whole = region.sizes == self.shape and all(step == 1 for step in region.steps)
        seen = self if whole else self.seen_as("slice", **region.params)
        return seen.seen_as("reshape", shape=region.shape) if seen.shape != region.shape or seen is self else seen

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        return np.astype(self, dtype, copy=copy)  # type: ignore[call-overload]

    def fill(self, value: Any) -> None:
        np.empty(1, self.dtype).fill(value._stand_in() if isinstance(value, Placeholder) else value)
        self[...] = value

    def copy(self, order: str = "C") -> Any:
        return self if self._is_scalar else np.copy(self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()


def _is_at(frame: FrameType, instruction: str) -> bool:
    """Whether the code that asks is carrying out this instruction itself."""
    return _instruction(frame.f_code, frame.f_lasti) == instruction


def _ufuncs_in(frame: FrameType) -> frozenset[str]:
    """The ufuncs of NumPy that the user's code which asks may have called, by its names."""
    if not is_users(frame.f_globals.get("__name__")):
        return frozenset()
    return frozenset(name for name in frame.f_code.co_names if type(getattr(np, name, None)) is np.ufunc)


@lru_cache(maxsize=1024)
def _instruction(code: CodeType, place: int) -> str:
    here = next((each for each in dis.get_instructions(code) if each.offset == place), None)
    if here is None:
        return ""
    return "BINARY_SUBSCR" if here.argrepr == "[]" else here.opname


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def put(target: Any, value: Any, *, is_element: bool) -> None:
    """Assigns to what an index has selected; to one element only one can be assigned."""
    np.copyto(target, element(value, target.dtype) if is_element else value, casting="unsafe")


def element(value: Any, dtype: np.dtype) -> Any:
    """What can be assigned to one element: a number, or for bools anything that has a truth.

    Raises:
        ValueError, TypeError: the value is none; which of the two depends on the dtype.
    """
    is_list = isinstance(value, (list, tuple))
    if not (is_list or getattr(value, "ndim", False)):
        return value
    if dtype.kind == "b":
        return bool(value) if is_list or value.size != 1 else value
    if dtype.kind == "c":
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    if dtype.kind in "iu" and is_list:
        raise TypeError("int() argument must be a string, a bytes-like object or a real number, not 'list'")
    raise ValueError("setting an array element with a sequence.")


def located(where: Any, handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Calls a handler; a NumPy error that it raises gets the user's line."""
    try:
        value = handler(*args, **kwargs)
        _note_attempt(args[0] if value is None and args else value)
        return value
    except (TypeError, ValueError, IndexError, OverflowError, UnsupportedError) as error:
        if not isinstance(error, TracegraphError):
            _work_out(args)
        append_place(error, where)
        raise


def _note_attempt(value: Any) -> None:
    """Tells the trace of a result that may turn out to be an error when it is run."""
    if isinstance(value, tuple) and value:
        value = value[0]
    if type(value) is not Placeholder or not value.origin.is_open:
        return
    node = value.node
    for _ in range(3):
        if node.op.kind == "opaque" or node.op in _CHECKED:
            value.origin.note_attempt(node)
            return
        if not node.inputs:
            return
        node = node.inputs[0]


#: Operations with kernels that may find an operand to be out of bounds.
_CHECKED = frozenset({gather, scatter, power})


def _work_out(operands: Any) -> None:
    """Works out the operands of what has failed: an operation before it, that fails when it runs, has failed first."""
    for each in operands:
        if isinstance(each, (list, tuple)):
            _work_out(each)
        elif isinstance(each, Placeholder) and each.origin.is_open and _may_fail(each.node):
            with suppress(TraceError):
                each.origin.decide(each.node)


def _may_fail(node: Node) -> bool:
    """Whether working out a node looks something up at places that may be out of bounds."""
    met, stack = set(), [node]
    while stack:
        each = stack.pop()
        if each not in met:
            met.add(each)
            stack.extend(each.inputs)
    return any(each.op in (gather, scatter) for each in met)


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
        "all any argmax argmin argpartition argsort choose clip cumprod cumsum diagonal dot max mean min nonzero "
        "prod put ravel repeat round searchsorted squeeze std sum swapaxes take trace var"
    ).split()
}


#: What Python makes of an operation on two of its own numbers.
_PYTHON_KINDS: dict[str, type] = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


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


def _comparison(ufunc: np.ufunc, compare: Callable[[Any, Any], Any]) -> Callable[[Placeholder, Any], Any]:
    """A comparison with None or a text tells nothing of the value: it is what it is for any value."""

    def method(self: Placeholder, other: Any) -> Any:
        if other is None or isinstance(other, str):
            return compare(self._stand_in(), other)
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
        is_small = ufunc is np.matmul and not self.is_scalar and (self.ndim < 1 or np.ndim(other) < 2)
        if is_small and np.can_cast(np.result_type(self, other), self.dtype, "same_kind"):
            raise ValueError(
                "inplace matrix multiplication requires the first operand to have at least one and the second at least "
                "two dimensions."
            )
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
    return isinstance(other, Deferred) or getattr(other, "__array_ufunc__", True) is None


_power_of_any = _binary(np.power)
_times_any = _binary(np.multiply)
_any_times = _reflected(np.multiply)


def _repeated(times: Callable[[Placeholder, Any], Any]) -> Callable[[Placeholder, Any], Any]:
    """Multiplication, which by a whole number repeats a sequence, and by another of Python's numbers is an error."""

    def method(self: Placeholder, other: Any) -> Any:
        if isinstance(other, (list, tuple, str, bytes)) and (self.weak or (self.is_scalar and self.dtype.kind in "iu")):
            return operator.mul(other, operator.index(self) if self.dtype.kind in "iub" else self._stand_in())
        return times(self, other)

    return method


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Placeholder, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return method


def _reshape_method(self: Placeholder, *shape: Any, **kwargs: Any) -> Any:
    return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)


def _transpose_method(self: Placeholder, *axes: Any) -> Any:
    return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)


def _compress_method(self: Placeholder, condition: Any, *args: Any, **kwargs: Any) -> Any:
    return np.compress(condition, self, *args, **kwargs)


def _flatten_method(self: Placeholder, order: str = "C") -> Any:
    return np.copy(np.ravel(self, order))  # type: ignore[call-overload]


def _in_place(function: Callable[..., Any]) -> Callable[..., None]:
    def method(self: Placeholder, *args: Any, **kwargs: Any) -> None:
        self[...] = function(self, *args, **kwargs)

    return method


def _install() -> None:
    """Gives the placeholder Python's operators and NumPy's methods."""
    for name, ufunc in _ARITHMETIC.items():
        setattr(Placeholder, f"__{name}__", _binary(ufunc))
        setattr(Placeholder, f"__r{name}__", _reflected(ufunc))
        if ufunc.nout == 1:
            setattr(Placeholder, f"__i{name}__", _inplace(ufunc))
    for name, ufunc in _COMPARISONS.items():
        setattr(Placeholder, f"__{name}__", _comparison(ufunc, getattr(operator, name)))
    for name, ufunc in _UNARY.items():
        setattr(Placeholder, f"__{name}__", _unary(ufunc))
    for name, function in _METHODS.items():
        setattr(Placeholder, name, _method(function))
    for name in ("partition", "sort"):
        setattr(Placeholder, name, _in_place(getattr(np, name)))
    own = {
        "__pow__": _power,
        "__mul__": _repeated(_times_any),
        "__rmul__": _repeated(_any_times),
        "reshape": _reshape_method,
        "transpose": _transpose_method,
        "flatten": _flatten_method,
        "compress": _compress_method,
    }
    for name, method in own.items():
        setattr(Placeholder, name, method)


_install()
