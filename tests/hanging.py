"""A disk that does not answer: what a daemon has to be started with to have one."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from daemonlab.house import ROOT


def hanging(folder: Path) -> Mapping[str, str]:
    """Variables for a daemon whose calls hang, as tests/hang/hang.c says, as soon as there is a
    file in this folder."""
    library = folder / "hang.so"
    source = ROOT / "tests" / "hang" / "hang.c"
    flags = ["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "HANG": str(folder)}
