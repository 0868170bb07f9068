import os
import signal
import sys
import threading


def work() -> None:
    signal.sigtimedwait((), 60)


worker = threading.Thread(target=work, daemon=True)
if len(sys.argv) > 1:  # "first": then the worker inherits it
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
worker.start()
signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
print("main: every signal is blocked", flush=True)
os.kill(os.getpid(), signal.SIGUSR2)
print("main: it waits for whoever asks for it", flush=True)
