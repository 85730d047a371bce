"""Lets the tests of this folder import what they share: with ``--import-mode=importlib`` it is on no path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
