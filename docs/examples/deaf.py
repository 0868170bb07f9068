import os
import signal
from pathlib import Path


def leave(number: int, frame: object) -> None:
    os.write(1, b"told to leave: goodbye\n")
    os._exit(0)


signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python has caught it
signal.signal(signal.SIGTERM, leave)
os.kill(os.getpid(), signal.SIGTERM)
print("told to leave, and still here:")
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith(("ShdPnd", "SigBlk", "SigCgt")):
        print(line)
