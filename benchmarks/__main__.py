"""The command line: which rows, against whom, how thoroughly, and where to write them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.libraries import PEERS, installed
from benchmarks.limits import measure
from benchmarks.machine import describe, thread_count
from benchmarks.plot import draw
from benchmarks.report import TABLES, machine_text
from benchmarks.rows import SECTIONS
from benchmarks.run import Run
from benchmarks.timing import FULL, SMOKE
from benchmarks.workloads import GROUPS


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, once each: does everything still work?")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="only rows with this (or this,or that) in their name"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument(
        "--peers", nargs="+", default=PEERS, choices=("none", *PEERS), help="those to compare with (default: all)"
    )
    parser.add_argument(
        "--repeated", action="store_true", help="no first calls and no memory, for which processes start"
    )
    parser.add_argument("--plot", type=Path, metavar="DIR", help="draw each section of workloads there, as SVG")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    effort = SMOKE if options.smoke else FULL
    threads = thread_count()
    run = Run(installed(options.peers), options.only, effort, measure(threads, effort), threads, not options.repeated)
    found: dict[str, Any] = {"machine": describe(run.libraries, run.limits, effort)}
    print(
        machine_text(found["machine"]) + ("\nsmoke run: tiny sizes, times mean nothing" if options.smoke else ""),
        flush=True,
    )
    for section, rows in SECTIONS.items():
        found[section] = []
        for row in rows(run):
            found[section].append(row)
            if options.json:
                options.json.write_text(json.dumps(found, indent=1) + "\n")
        if found[section]:
            print(f"\n{TABLES[section](found[section])}", flush=True)
    if options.plot:
        draw(options.plot, {section: found[section] for section in GROUPS})


if __name__ == "__main__":
    main()
