import os
import sys
from contextlib import suppress

append = os.O_APPEND if sys.argv[1:] == ["append"] else 0

with suppress(FileNotFoundError):
    os.unlink("file")
first = os.open("file", os.O_WRONLY | os.O_CREAT | append, 0o640)
second = os.open("file", os.O_WRONLY | os.O_CREAT | append, 0o640)  # another process, say
os.write(first, b"one\n")
os.write(second, b"two\n")
os.system("od -An -c file")
os.truncate("file", 0)
os.write(first, b"three\n")
os.system("od -An -c file")
