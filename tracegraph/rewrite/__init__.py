"""Rewriting: `engine`, `match`, then the rules by theme.

`STABILISE` is for graphs that are about to be differentiated, `OPTIMISE` for those that are not any more, and `LOWER` for
those that native kernels are made of.
"""

from tracegraph.rewrite.algebra import ALGEBRA
from tracegraph.rewrite.choice import CHOICE
from tracegraph.rewrite.engine import Firing, Rule, Rules, rewrite, rule
from tracegraph.rewrite.fold import FOLD
from tracegraph.rewrite.hoist import hoist
from tracegraph.rewrite.identities import IDENTITIES
from tracegraph.rewrite.limits import LIMITS
from tracegraph.rewrite.loops import share_loops, simplify_calls
from tracegraph.rewrite.lower import LOWER
from tracegraph.rewrite.stable import STABLE
from tracegraph.rewrite.views import VIEWS

__all__ = [
    "LOWER",
    "OPTIMISE",
    "STABILISE",
    "Firing",
    "Rule",
    "Rules",
    "hoist",
    "rewrite",
    "rule",
    "share_loops",
    "simplify_calls",
]

STABILISE: Rules = STABLE + LIMITS
OPTIMISE: Rules = IDENTITIES + STABLE + FOLD + ALGEBRA + CHOICE + VIEWS
