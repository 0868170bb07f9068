import fcntl
import os
import sys
import time
from pathlib import Path


def nobody_is_there(fd: int) -> bool:
    held = os.pread(fd, 31, 0).strip()
    time.sleep(0.05)  # something always comes between
    return not held.isdigit() or not Path(f"/proc/{int(held)}").exists()


def start(lock: bool) -> int:
    fd = os.open("pid", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if lock:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif not nobody_is_there(fd):
            return 0
    except BlockingIOError:
        return 0
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    time.sleep(0.5)  # a short life as a daemon
    return 1


lock = sys.argv[1:] == ["lock"]
for _ in range(8):
    if os.fork() == 0:
        os._exit(start(lock))
started = sum(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(8))
print(f"{started} of 8 started")
