import threading
import time


def work() -> None:
    return  # a break that nobody meant


def threads() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))


threading.Thread(target=work).start()
while threads() > 1:
    time.sleep(0.01)
print("the process runs on, with", threads(), "thread")
