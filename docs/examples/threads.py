import os
import signal
import threading
import warnings

lock = threading.Lock()
taken = threading.Event()


def work() -> None:
    with lock:
        taken.set()
        signal.pause()


threading.Thread(target=work, daemon=True).start()
taken.wait()
warnings.simplefilter("ignore")  # from 3.12 on, Python warns of the next line
if os.fork() == 0:
    free = lock.acquire(blocking=False)
    print("child: the lock is", "free" if free else "taken", flush=True)
    os.execlp("sh", "sh", "-c", "grep Threads /proc/$$/status")
os.wait()
os._exit(0)
