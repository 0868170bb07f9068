"""A fork bomb in Python that cannot do lasting harm: at most MOST forks, 3 s, each lives 5 s."""

import mmap
import os
import signal
import time

MOST = 3000

forks = mmap.mmap(-1, 4096)  # one count, shared by all
end = time.monotonic() + 3
while time.monotonic() < end:
    signal.alarm(5)
    made = int.from_bytes(forks[:4], "little")
    if made >= MOST:
        break
    forks[:4] = (made + 1).to_bytes(4, "little")  # a race may lose a few
    os.fork()
signal.pause()
