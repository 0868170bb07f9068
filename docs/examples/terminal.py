import os


def try_open(who: str, path: str, flags: int = 0) -> None:
    fd = os.open(path, os.O_RDWR | flags)
    try:
        # /dev/tty is one's controlling terminal, if one has it: tty(4)
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        own = "yes"
    except OSError:
        own = "no"
    print(f"{who}: controlling terminal: {own}", flush=True)
    os.close(fd)


master, slave = os.openpty()
path = os.ttyname(slave)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        try_open("member of the session", path)
        os._exit(0)
    os.wait()
    try_open("leader, O_NOCTTY", path, os.O_NOCTTY)
    try_open("leader", path)
    os._exit(0)
os.wait()
