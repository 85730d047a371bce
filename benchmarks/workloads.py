"""All workloads, in the order of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.arrays import ARRAYS
from benchmarks.contractions import CONTRACTIONS
from benchmarks.derivatives import DERIVATIVES
from benchmarks.forward import FORWARD
from benchmarks.googlenet import GOOGLENET
from benchmarks.gradients import GRADIENTS
from benchmarks.workload import Workload

__all__ = ["GROUPS", "WORKLOADS"]

#: By the section that they are printed in.
GROUPS: Mapping[str, Sequence[Workload]] = {
    "forward": FORWARD,
    "arrays": ARRAYS,
    "contractions": CONTRACTIONS,
    "networks": GOOGLENET,
    "gradients": GRADIENTS,
    "derivatives": DERIVATIVES,
}
WORKLOADS: tuple[Workload, ...] = tuple(workload for group in GROUPS.values() for workload in group)
