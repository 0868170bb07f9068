import fcntl
import os


def lock(daemon: str, fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        result = "locked"
    except OSError as error:
        result = error.strerror or ""
    gone = not os.path.samestat(os.fstat(fd), os.stat("pid"))
    print(f"{daemon}: {result}" + (', and "pid" is another file' if gone else ""))


first = os.open("pid", os.O_RDWR | os.O_CREAT, 0o644)
lock("first", first)
second = os.open("pid", os.O_RDWR | os.O_CREAT, 0o644)  # it has yet to lock
os.unlink("pid")  # the first one ends
os.close(first)
third = os.open("pid", os.O_RDWR | os.O_CREAT, 0o644)
lock("third", third)
lock("second", second)
