"""Take three things; the third fails. What is left?"""

import os
import sys


def take(name: str) -> None:
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


try:
    take("lock")
    take("socket")
    take("nowhere/database")
except OSError as error:
    sys.exit(f"cannot start: {error}")
