"""What every section is told: against whom, which rows, how thoroughly, on what machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.limits import Limits
from benchmarks.timing import Effort
from benchmarks.workload import is_chosen

__all__ = ["Run"]


class Run(NamedTuple):
    """One run of the benchmarks.

    Attributes:
        libraries: who takes part.
        only: parts of the names of rows that are asked for, between commas.
        effort: how long to try.
        limits: of the machine.
        threads: how many take part in a parallel kernel.
        has_processes: whether first calls and memory are measured, in processes of their own.
    """

    libraries: Sequence[str]
    only: str
    effort: Effort
    limits: Limits
    threads: int
    has_processes: bool = True

    def has(self, name: str) -> bool:
        """Whether a row is asked for."""
        return is_chosen(name, self.only)
