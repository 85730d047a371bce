"""Expressions: a function of NumPy's (or of plain NumPy code), its arguments and the user's line are recorded; nothing is
computed. Knows how to record and how to replay one step, not what any function means, nor shapes, feeds or derivatives."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tracegraph.errors import TraceError, at
from tracegraph.ir import Where
from tracegraph.tracing import user_where
from tracegraph.tree import flatten, unflatten

if TYPE_CHECKING:
    from tracegraph.symbolic._program import Runner

__all__ = ["Derivatives", "Expression", "Symbol", "as_expression", "grad", "postorder", "record"]


def _forward(function: Callable[..., Any]) -> Callable[..., Expression]:
    """A method that records a function of the symbol and the other arguments."""
    return lambda self, *args, **kwargs: record(function, self, *args, **kwargs)


def _binary(function: Callable[..., Any]) -> Callable[[Any, Any], Expression]:
    return lambda self, other: record(function, self, other)


def _reflected(function: Callable[..., Any]) -> Callable[[Any, Any], Expression]:
    return lambda self, other: record(function, other, self)


def _unary(function: Callable[..., Any]) -> Callable[[Any], Expression]:
    return lambda self: record(function, self)


class Symbol(ABC):
    """Whatever stands for an array that is not known yet: an expression, or a layer, whose output it is.

    Python's operators, indexing, NumPy's methods and NumPy's own functions on it record an `Expression`.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def expression(self) -> Expression:
        """The expression that computes it."""

    def __tracegraph_grad__(self, wrt: Any) -> Any:
        """What ``tg.grad(expression, wrt)`` calls."""
        return grad(self, wrt)

    # -- what NumPy asks -----------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Expression:
        if kwargs.get("out") is not None:
            raise TraceError(at(f"np.{ufunc.__name__}: an expression cannot be written with out=", user_where()))
        return record(ufunc if method == "__call__" else getattr(ufunc, method), *inputs, **kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Expression:
        return record(function, *args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        self._refuse("was asked for its values (np.array, np.asarray, an assignment into an array)")

    # -- what Python asks ----------------------------------------------------------------------------------------------

    def __bool__(self) -> NoReturn:
        self._refuse("was asked whether it is true (if, while, and, or, in, assert)", "; write where(...)")

    def __float__(self) -> NoReturn:
        self._refuse("was asked for a number by float()")

    def __int__(self) -> NoReturn:
        self._refuse("was asked for a number by int()")

    def __index__(self) -> NoReturn:
        self._refuse("was used as an index or a bound")

    def __iter__(self) -> NoReturn:
        self._refuse("was iterated over, but its length is not known yet", "; write x[0], x[1], ...")

    def __len__(self) -> NoReturn:
        self._refuse("was asked for its length")

    def _refuse(self, what: str, instead: str = "; run(expression, feed=...) gives its value") -> NoReturn:
        raise TraceError(at(f"{self.expression.describe()} {what}{instead}", user_where()))

    # -- operators: elementwise, == too; whether two are the same one is asked by `is` -------------------------------

    __add__ = _binary(operator.add)
    __sub__ = _binary(operator.sub)
    __mul__ = _binary(operator.mul)
    __truediv__ = _binary(operator.truediv)
    __floordiv__ = _binary(operator.floordiv)
    __mod__ = _binary(operator.mod)
    __pow__ = _binary(operator.pow)
    __matmul__ = _binary(operator.matmul)
    __and__ = _binary(operator.and_)
    __or__ = _binary(operator.or_)
    __xor__ = _binary(operator.xor)
    __lshift__ = _binary(operator.lshift)
    __rshift__ = _binary(operator.rshift)
    __radd__ = _reflected(operator.add)
    __rsub__ = _reflected(operator.sub)
    __rmul__ = _reflected(operator.mul)
    __rtruediv__ = _reflected(operator.truediv)
    __rfloordiv__ = _reflected(operator.floordiv)
    __rmod__ = _reflected(operator.mod)
    __rpow__ = _reflected(operator.pow)
    __rmatmul__ = _reflected(operator.matmul)
    __rand__ = _reflected(operator.and_)
    __ror__ = _reflected(operator.or_)
    __rxor__ = _reflected(operator.xor)
    __rlshift__ = _reflected(operator.lshift)
    __rrshift__ = _reflected(operator.rshift)
    __lt__ = _binary(operator.lt)
    __le__ = _binary(operator.le)
    __gt__ = _binary(operator.gt)
    __ge__ = _binary(operator.ge)
    __eq__ = _binary(operator.eq)  # type: ignore[assignment]
    __ne__ = _binary(operator.ne)  # type: ignore[assignment]
    __neg__ = _unary(operator.neg)
    __pos__ = _unary(operator.pos)
    __abs__ = _unary(operator.abs)
    __invert__ = _unary(operator.invert)
    __hash__ = object.__hash__
    __getitem__ = _binary(operator.getitem)

    # -- NumPy's methods -------------------------------------------------------------------------------------------------

    all = _forward(np.all)
    any = _forward(np.any)
    argmax = _forward(np.argmax)
    argmin = _forward(np.argmin)
    clip = _forward(np.clip)
    dot = _forward(np.dot)
    max = _forward(np.max)
    mean = _forward(np.mean)
    min = _forward(np.min)
    prod = _forward(np.prod)
    ravel = _forward(np.ravel)
    squeeze = _forward(np.squeeze)
    std = _forward(np.std)
    sum = _forward(np.sum)
    swapaxes = _forward(np.swapaxes)
    var = _forward(np.var)

    @property
    def T(self) -> Expression:
        """The transpose."""
        return record(np.transpose, self)

    def reshape(self, *shape: Any) -> Expression:
        """The elements under another shape, given as a tuple or as extents."""
        return record(np.reshape, self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Expression:
        """The axes in another order, given as a tuple or one by one."""
        return record(np.transpose, self, (axes[0] if len(axes) == 1 else axes) or None)

    def astype(self, dtype: Any) -> Expression:
        """The values as another dtype."""
        return record(np.astype, self, np.dtype(dtype))


class Expression(Symbol):
    """A function applied to arguments, some of which are expressions. Made by `record`, not by users.

    Attributes:
        function: called on arrays, or on placeholders, when the expression is replayed.
        operands: the leaves of its arguments.
        where: the user's line that built it.
        name: what pictures and errors call it; may be set.
    """

    __slots__ = ("__weakref__", "_seeds", "_structure", "function", "name", "operands", "runners", "where")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        where: Where | None = None,
        name: str | None = None,
    ) -> None:
        leaves, self._structure = flatten((args, dict(kwargs or {})))
        self.operands: tuple[Any, ...] = tuple(_as_operand(leaf) for leaf in leaves)
        self.function = function
        self.where = where or user_where()
        self.name = name
        #: The programs of which this is the first fetch, by the identities of all their fetches.
        self.runners: dict[tuple[int, ...], Runner] = {}
        self._seeds: np.random.SeedSequence | None = None

    @property
    def expression(self) -> Expression:
        return self

    @property
    def sources(self) -> Iterable[Expression]:
        """The expressions that must be evaluated before this one."""
        return (operand for operand in self.operands if isinstance(operand, Expression))

    @property
    def seeds(self) -> np.random.SeedSequence:
        """Where parameters of layers on this expression get their random numbers: each spawns its own stream."""
        if self._seeds is None:
            self._seeds = np.random.SeedSequence(0)
        return self._seeds

    def evaluate(self, values: Mapping[Expression, Any]) -> Any:
        """Replays this one step, given the values of its sources.

        Errors get the line that built the expression, and tracebacks show it.
        """
        leaves = [values[leaf] if isinstance(leaf, Expression) else leaf for leaf in self.operands]
        args, kwargs = unflatten(self._structure, leaves)
        return _called_from(self.where)(self.function, args, kwargs)

    def describe(self) -> str:
        """What errors call it: its name or its function, and its line."""
        what = repr(self.name) if self.name else getattr(self.function, "__name__", repr(self.function)).strip("_")
        return f"the expression {what}" + (f" (built at {self.where})" if self.where else "")

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


class Derivatives(Expression):
    """The derivatives of a scalar by other expressions, as a list. Made by `grad`.

    Its operands are those expressions and the scalar; the replay does the rest.
    """

    __slots__ = ("loss", "wrt")

    def __init__(self, loss: Expression, wrt: tuple[Expression, ...]) -> None:
        super().__init__(_derivatives, (loss, wrt))
        self.loss = loss
        self.wrt = wrt


def _derivatives(loss: Any, wrt: Any) -> NoReturn:
    raise AssertionError("a derivative is of the graph, not of values: the replay makes it")


def grad(loss: Symbol, wrt: Any) -> Any:
    """The derivative of a scalar expression by any expressions: inputs, parameters or inner nodes. Nests to any order.

    Args:
        loss: a float scalar.
        wrt: one expression, or a list or tuple of them. Where one depends on another, derivatives are total; where the
            loss does not depend on one, they are zeros.

    Returns:
        One expression, or a list or tuple of them, each of the shape and dtype of what it is taken by.

    Raises:
        TypeError: an argument is no expression; when it runs, the loss is no float scalar.

    Example:
        >>> from tracegraph.symbolic import run, scalar
        >>> x = scalar()
        >>> u = 2.0 * x
        >>> z = u**3
        >>> [float(value) for value in run([grad(z, x), grad(grad(z, u), x)], feed={x: 1.0})]
        [24.0, 24.0]
    """
    chosen = tuple(wrt) if isinstance(wrt, (list, tuple)) else (wrt,)
    for value in (loss, *chosen):
        if not isinstance(value, Symbol):
            raise TypeError(
                at(
                    f"grad: expected expressions, got {value!r:.60} of {type(value).__name__}; of a Python function "
                    "tracegraph.grad(f) is the derivative",
                    user_where(),
                )
            )
    found = Derivatives(loss.expression, tuple(symbol.expression for symbol in chosen))
    parts = [record(operator.getitem, found, k) for k in range(len(chosen))]
    return type(wrt)(parts) if isinstance(wrt, (list, tuple)) else parts[0]


def record(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Expression:
    """The expression of a function applied to arguments.

    Args:
        function: NumPy's, or any function of plain NumPy code; it is called when the expression is replayed.
        args: expressions, layers, arrays, numbers, settings, and nested containers of them.
        kwargs: likewise.

    Example:
        >>> from tracegraph.symbolic import run, scalar
        >>> x = scalar()
        >>> float(run(record(np.add, x, 4.0), feed={x: 3.0}))
        7.0
    """
    return Expression(function, args, kwargs)


def _as_operand(value: Any) -> Any:
    """An argument as it is kept: a layer as its expression."""
    return value.expression if isinstance(value, Symbol) else value


def as_expression(value: Any) -> Expression:
    """An expression, a layer's expression, or the expression of a constant."""
    return value.expression if isinstance(value, Symbol) else record(np.positive, value)


def postorder(expressions: Iterable[Expression]) -> list[Expression]:
    """Every expression that these need, each after its sources; the order is reproducible."""
    order: dict[Expression, None] = {}
    stack = list(expressions)[::-1]
    while stack:
        expression = stack[-1]
        waiting = [] if expression in order else [source for source in expression.sources if source not in order]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            order[stack.pop()] = None
    return list(order)


#: On one line, so that in a frame of this code the line is the first one, whichever that is said to be.
_CALL: CodeType = (lambda function, args, kwargs: function(*args, **kwargs)).__code__


def _called_from(where: Where | None) -> FunctionType:
    """A function that calls another from a frame that says it is at a line of the user's.

    So the tracer, errors and tracebacks take the line that built an expression, not the one that runs it.
    """
    code = _CALL
    if where is not None:
        code = _CALL.replace(co_filename=where.file, co_firstlineno=where.line, co_name=where.function)
    return FunctionType(code, {})
