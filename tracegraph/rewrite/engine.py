"""The rewriter: a graph and named rules come in, an equivalent graph in normal form goes out. It knows nothing of any
single rule or operation, but for `identity`, which keeps apart what must not be merged.

One walk in topological order: each node is rebuilt on rewritten inputs, then shared with an equal node that was seen
before (`Node.key`), else its operation's rules are tried until none fires; what a rule makes is treated alike. Dead code
is never visited from the new outputs, so it is gone.

It terminates: every rule either makes the graph smaller or moves it towards a normal form that no rule leaves. Should a
rule break that promise, a budget of firings proportional to the graph runs out; the rest is then shared, not rewritten,
and the graph is still right because each single firing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tracegraph.ir import Graph, Node, Op, Where, current_where, descendants, located, set_where, toposort
from tracegraph.ops.leaf import identity, input_op

__all__ = ["Firing", "Rule", "Rules", "rewrite", "rule"]

#: Which rule fired, and on what node.
Firing = tuple[str, Node]

#: Firings for each node of a graph before the rewriter takes it that rules go in circles; three are usual.
BUDGET = 32


class Rule(NamedTuple):
    """One rewrite.

    Attributes:
        name: unique; shows in `explain` and in tests.
        ops: the operations whose nodes it is tried on.
        apply: ``apply(node)`` is an equivalent node that does not contain ``node``, or None where the rule does not fit.
        where: the source line, for viewers.
        lone: only where the node is the one user of its first input, because that is then computed otherwise.
    """

    name: str
    ops: tuple[Op, ...]
    apply: Callable[[Node], Node | None]
    where: Where
    lone: bool = False


Rules = tuple[Rule, ...]


def rule(name: str, *ops: Op, lone: bool = False) -> Callable[[Callable[[Node], Node | None]], Rule]:
    """Makes a `Rule` of a function ``node -> Node | None``; modules list their rules, nothing registers itself."""

    def declare(apply: Callable[[Node], Node | None]) -> Rule:
        code = apply.__code__
        return Rule(name, ops, apply, Where(code.co_filename, code.co_firstlineno, code.co_qualname), lone)

    return declare


def rewrite(
    graph: Graph, rules: Sequence[Rule], *, keep: Sequence[Node] = (), fired: list[Firing] | None = None
) -> Graph:
    """An equivalent graph on which none of the rules fires any more. Linear in the number of nodes.

    Args:
        graph: what to rewrite; its inputs stay the same nodes.
        rules: tried in this order.
        keep: nodes that someone is about to differentiate by. No rule looks through them, and only nodes that depend on
            them are rewritten. All others stay the very same nodes, so that what an enclosing derivative is taken by
            is still there afterwards.
        fired: takes a record of each firing.

    Returns:
        The graph. Its outputs are those of ``graph``, then the nodes that now stand for ``keep``.
    """
    outputs = (*graph.outputs, *keep)
    nodes = descendants(outputs, keep, graph.inputs) if keep else toposort(outputs, graph.inputs)
    first = min([node.serial for node in keep], default=0)
    work = _Pass(nodes, outputs, rules, fired, first)
    work.done.update((node, node) for node in graph.inputs)
    kept, dependent = set(keep), set(keep)
    with located(current_where()):
        for node in nodes:
            is_dependent = not keep or any(source in dependent for source in node.inputs)
            if is_dependent:
                dependent.add(node)
            if node in kept:
                work.keep(node, is_dependent=is_dependent)
            elif node in work.done:
                continue
            elif is_dependent:
                work.normalise(node)
            else:
                work.share(node)
    return Graph(graph.inputs, [work.done.get(node, node) for node in outputs])


class _Pass:
    """The state of one walk.

    Attributes:
        done: the new node of each node that was met; a new node stands for itself, and so does one made before ``first``.
        first: the serial of the oldest node that is rewritten.
        memo: the new node of each key.
    """

    __slots__ = ("_given", "budget", "done", "fired", "first", "memo", "old_uses", "rules", "uses")

    def __init__(
        self,
        nodes: Sequence[Node],
        outputs: Sequence[Node],
        rules: Sequence[Rule],
        fired: list[Firing] | None,
        first: int,
    ) -> None:
        self.done: dict[Node, Node] = {}
        self.memo: dict[tuple[Any, ...], Node] = {}
        self.rules: dict[Op, list[Rule]] = {}
        for each in rules:
            for op in each.ops:
                self.rules.setdefault(op, []).append(each)
        self.fired = fired
        self.first = first
        self._given = rules
        self.budget = BUDGET * (len(nodes) + 1)
        self.old_uses = Counter(source for node in nodes for source in node.inputs)
        self.old_uses.update(outputs)
        self.uses: dict[Node, int] = {}

    def normalise(self, root: Node) -> None:
        """Finds the new node of ``root``, and on the way those of all nodes that rules make."""
        done, memo, first = self.done, self.memo, self.first
        made_of: dict[Node, tuple[tuple[Any, ...], Node]] = {}
        stack = [root]
        while stack:
            node = stack[-1]
            if node in done or node.serial < first:
                stack.pop()
                continue
            waiting = [source for source in node.inputs if source.serial >= first and source not in done]
            if waiting:
                stack.extend(waiting)
                continue
            if node in made_of:
                key, made = made_of[node]
                done[node] = memo[key] = done.get(made, made)
                continue
            current = self._rebuilt(node)
            if current.op.form is not None:
                current = self._inside(current)
            key = current.key()
            found = memo.get(key)
            if found is None:
                made_now = self._fire(current)
                if made_now is not None:
                    made_of[node] = (key, made_now)
                    stack.append(made_now)
                    continue
                found = memo[key] = done[current] = current
            done[node] = found
        new = done[root]
        self.uses[new] = self.uses.get(new, 0) + self.old_uses[root]

    def share(self, node: Node) -> None:
        """Leaves a node as it is; nodes that are rewritten take an equal one in its place.

        An `identity` is somebody's name for a value, so it is equal only to itself.
        """
        found = node if node.op is identity else self.memo.setdefault(self._rebuilt(node).key(), node)
        self.done[node] = self.done[found] = found

    def keep(self, node: Node, *, is_dependent: bool) -> None:
        """Puts a name on a kept node, behind which no rule looks; inputs and names serve as they are.

        The node itself is rewritten only where it depends on another kept one.
        """
        done = self.done
        if node.op is identity:
            done[node] = self._rebuilt(node) if is_dependent else node
        elif node not in done and node.op is not input_op:
            if is_dependent:
                self.normalise(node)
            set_where(node.where)
            done[node] = identity(done.get(node, node))
        new = done.setdefault(node, node)
        done[new] = new

    def _rebuilt(self, node: Node) -> Node:
        done = self.done
        inputs = tuple([done.get(source, source) for source in node.inputs])
        return node.with_inputs(inputs)

    def _inside(self, node: Node) -> Node:
        """A call, with the graphs that it is made of rewritten."""
        params = {name: self._param(value) for name, value in node.params.items()}
        return Node(node.op, node.inputs, params, node.aval, node.where)

    def _param(self, value: Any) -> Any:
        if isinstance(value, tuple) and value and all(isinstance(each, Graph) for each in value):
            return tuple(map(self._param, value))
        return rewrite(value, self._given, fired=self.fired) if isinstance(value, Graph) else value

    def _fire(self, node: Node) -> Node | None:
        """What the first rule that fits makes of the node."""
        rules = self.rules.get(node.op)
        if rules is None or self.budget == 0:
            return None
        set_where(node.where)
        for each in rules:
            if each.lone and self.uses.get(node.inputs[0], 0) > 1:
                continue
            made = each.apply(node)
            if made is not None:
                self.budget -= 1
                if self.fired is not None:
                    self.fired.append((each.name, node))
                return made
        return None
