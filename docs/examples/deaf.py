import os
import signal


def leave(number: int, frame: object) -> None:
    os.write(1, b"told to leave: goodbye\n")
    os._exit(0)


signal.signal(signal.SIGTERM, leave)
os.kill(os.getpid(), signal.SIGTERM)
print("told to leave, and still here:", flush=True)
os.system(f"grep -E 'ShdPnd|SigBlk|SigCgt' /proc/{os.getpid()}/status")
