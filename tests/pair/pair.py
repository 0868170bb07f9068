"""For each path on standard input: the configuration there, or what is wrong with it.

One line each: "0 KEY=VALUE …", with text in hexadecimal; or the exit code and the failure, in
hexadecimal. Twin of pair.c.
"""

import dataclasses
import os
import sys

from labd.config import Config, config_load
from labd.failure import Failure


def shown(name: str, value: object) -> str:
    """KEY=VALUE."""
    if name == "umask" and isinstance(value, int):
        return f"{name}={value:o}"
    return f"{name}={os.fsencode(value).hex() if isinstance(value, str) else value}"


def main() -> None:
    """See above."""
    names = [field.name for field in dataclasses.fields(Config)]
    for line in sys.stdin:
        try:
            config = config_load(line.rstrip("\n"))
            print(0, *(shown(name, getattr(config, name)) for name in names), flush=True)
        except Failure as failure:
            print(failure.exit_code, shown("why", failure.text), flush=True)


main()
