"""Where things stand in the house."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / "labs"
C = ROOT / "c"
BUILD = ROOT / "build"
PORT = ROOT / "python" / "labd"
CHAPTERS = ROOT / "docs"
MUTANTS = ROOT / "tests" / "mutants"
