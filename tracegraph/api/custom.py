"""`custom_vjp`, `custom_jvp`: functions whose derivatives the user says. Their values are computed as they are; what stands
between those and the rest of the graph is one operation that knows the rule."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tracegraph.api.probes import Form, arguments, arrays_of, checked, like, refuse, some_like
from tracegraph.ir import Node
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.call import MaybeNodes
from tracegraph.ops.custom import customised
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import is_float
from tracegraph.tracing import active_trace
from tracegraph.transforms import autodiff
from tracegraph.tree import flatten, unflatten

__all__ = ["custom_jvp", "custom_vjp"]


class _Site(NamedTuple):
    """A call of a function that has derivatives of its own.

    Attributes:
        name: of the transform, for messages.
        takes: the arguments that it is differentiated by, a tuple.
        gives: its results.
        fixed: the other arguments, by their positions.
    """

    name: str
    takes: Form
    gives: Form
    fixed: dict[int, Any]

    @property
    def settings(self) -> list[Any]:
        """The other arguments, in order."""
        return [self.fixed[k] for k in sorted(self.fixed)]

    def args(self, sources: Sequence[Node]) -> list[Any]:
        """All arguments, as traced values."""
        given = iter(like(self.takes, sources))
        count = len(self.takes.structure.children) + len(self.fixed)
        return [self.fixed[k] if k in self.fixed else next(given) for k in range(count)]


class _Custom:
    """What the two have in common.

    Args:
        function: computes the value.
        nondiff_argnums: positions of arguments that are passed on to the rules as they are.
    """

    _name = ""

    def __init__(self, function: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, checked(self._name, function))
        self._function = function
        self._fixed = frozenset([nondiff_argnums] if isinstance(nondiff_argnums, int) else nondiff_argnums)

    @property
    def __tracegraph_watched__(self) -> Any:
        return (self._function, *self._rules())

    def _rules(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _rule(self, site: _Site) -> Any:
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            bound = inspect.signature(self._function).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        if active_trace() is None:
            return self._function(*args)
        fixed = {k: arg for k, arg in enumerate(args) if k in self._fixed or k - len(args) in self._fixed}
        keys = [k for k in range(len(args)) if k not in fixed]
        takes = arguments(self._name, [args[k] for k in keys], keys)
        gives = arrays_of(self._name, self._function(*args))
        site = _Site(self._name, takes.form, gives.form, fixed)
        return like(gives.form, customised(takes.nodes, gives.nodes, self._rule(site)))


class custom_vjp(_Custom):
    """A function whose reverse-mode derivative is another function.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        nondiff_argnums: positions of arguments that are no arrays, or that there is no derivative by.

    Its derivative is set by `defvjp`. Values that the functions read from outside count as constants. In forward mode the
    derivative is the transpose of ``bwd``.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> @tg.custom_vjp
        ... def clipped(x):
        ...     return np.clip(x, -1, 1)
        >>> clipped.defvjp(lambda x: (clipped(x), x), lambda x, ct: (np.where(np.abs(x) < 1, ct, 0.1 * ct),))
        >>> tg.grad(lambda x: np.sum(clipped(x)))(np.array([0.5, 3.0]))
        array([1. , 0.1])
    """

    _name = "custom_vjp"
    _fwd: Callable[..., Any] | None = None
    _bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Sets the derivative.

        Args:
            fwd: takes the function's arguments and gives a pair of its value and what ``bwd`` needs to know.
            bwd: takes the arguments at ``nondiff_argnums``, the second part of that pair and the cotangent, and gives
                a tuple with a cotangent for each of the other arguments, nested and typed like it; None for zeros.
        """
        self._fwd = checked("custom_vjp", fwd)
        self._bwd = checked("custom_vjp", bwd)

    def _rules(self) -> tuple[Any, ...]:
        return self._fwd, self._bwd

    def _rule(self, site: _Site) -> Any:
        if self._fwd is None or self._bwd is None:
            refuse(
                f"custom_vjp: {getattr(self, '__name__', 'the function')} has no derivative yet; call defvjp(fwd, bwd)"
            )
        return _VjpRule(self._fwd, self._bwd, site)


class _VjpRule:
    def __init__(self, fwd: Callable[..., Any], bwd: Callable[..., Any], site: _Site) -> None:
        self._fwd = fwd
        self._bwd = bwd
        self._site = site

    def pullback(self, sources: Sequence[Node], values: Sequence[Node], cts: MaybeNodes) -> MaybeNodes:
        site = self._site
        answer = self._fwd(*site.args(sources))
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            refuse(f"custom_vjp: fwd must return a pair (value, residuals), it returned {answer!r:.60}")
        given = like(site.gives, [zeros_like(v) if ct is None else ct for v, ct in zip(values, cts, strict=True)])
        pulled = self._bwd(*site.settings, answer[1], given)
        count = len(site.takes.structure.children)
        if not isinstance(pulled, (tuple, list)) or len(pulled) != count:
            refuse(
                f"custom_vjp: bwd must return a tuple with {count} entries, one for each argument to differentiate by; it "
                f"returned {pulled!r:.60}"
            )
        return some_like("custom_vjp", "what bwd returned", tuple(pulled), site.takes)

    def pushforward(self, sources: Sequence[Node], values: Sequence[Node], tangents: MaybeNodes) -> MaybeNodes:
        probes = [identity(zeros_like(value)) for value in values]
        pulled = self.pullback(sources, values, probes)
        pairs = [
            (ct, tangent)
            for ct, tangent in zip(pulled, tangents, strict=True)
            if ct is not None and tangent is not None
        ]
        return autodiff.vjp([ct for ct, _ in pairs], [tangent for _, tangent in pairs], probes).wrt


class custom_jvp(_Custom):
    """A function whose forward-mode derivative is another function. In reverse mode it is the transpose of that.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        nondiff_argnums: positions of arguments that are no arrays, or that there is no derivative by.

    Its derivative is set by `defjvp` or `defjvps`. Values that the functions read from outside count as constants.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> @tg.custom_jvp
        ... def log1pexp(x):
        ...     return np.log1p(np.exp(x))
        >>> @log1pexp.defjvp
        ... def log1pexp_jvp(primals, tangents):
        ...     return log1pexp(*primals), tangents[0] * (1 - 1 / (1 + np.exp(primals[0])))
        >>> float(tg.grad(log1pexp)(0.0))
        0.5
    """

    _name = "custom_jvp"
    _jvp: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the derivative; gives the function back, as a decorator does.

        Args:
            jvp: takes the arguments at ``nondiff_argnums``, a tuple of the other arguments and one of their tangents, and
                gives a pair of the value and its tangent, which is nested and typed like the value, and linear in theirs.
        """
        self._jvp = checked("custom_jvp", jvp)
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Sets the derivative as a sum over the arguments.

        Args:
            jvps: for each argument, None where the derivative is zero, or a function that takes the argument's tangent, the
                value and all arguments, and gives what the tangent adds to the value's.
        """
        if self._fixed:
            refuse("custom_jvp: defjvps does not go with nondiff_argnums; use defjvp")

        def jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
            value = self(*primals)
            parts = [part(t, value, *primals) for part, t in zip(jvps, tangents, strict=True) if part is not None]
            leaves, structure = flatten(value)
            sums = [
                sum(each, 0 * leaf) for leaf, *each in zip(leaves, *(flatten(part)[0] for part in parts), strict=True)
            ]
            return value, unflatten(structure, sums)

        self._jvp = jvp

    def _rules(self) -> tuple[Any, ...]:
        return (self._jvp,)

    def _rule(self, site: _Site) -> Any:
        if self._jvp is None:
            refuse(f"custom_jvp: {getattr(self, '__name__', 'the function')} has no derivative yet; call defjvp(rule)")
        return _JvpRule(self._jvp, site)


class _JvpRule:
    def __init__(self, jvp: Callable[..., Any], site: _Site) -> None:
        self._jvp = jvp
        self._site = site

    def pushforward(self, sources: Sequence[Node], values: Sequence[Node], tangents: MaybeNodes) -> MaybeNodes:
        site = self._site
        primals = like(site.takes, sources)
        given = like(site.takes, [zeros_like(s) if t is None else t for s, t in zip(sources, tangents, strict=True)])
        answer = self._jvp(*site.settings, primals, given)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            refuse(f"custom_jvp: the rule must return a pair (value, tangent), it returned {answer!r:.60}")
        return some_like("custom_jvp", "the tangent that the rule returned", answer[1], site.gives)

    def pullback(self, sources: Sequence[Node], values: Sequence[Node], cts: MaybeNodes) -> MaybeNodes:
        probes = [identity(zeros_like(source)) if is_float(source) else None for source in sources]
        pushed = self.pushforward(sources, values, probes)
        pairs = [(out, ct) for out, ct in zip(pushed, cts, strict=True) if out is not None and ct is not None]
        wrt = [probe for probe in probes if probe is not None]
        found = iter(autodiff.vjp([out for out, _ in pairs], [ct for _, ct in pairs], wrt).wrt)
        return [None if probe is None else next(found) for probe in probes]
