import os
import signal

from labd import syscalls

wanted = (signal.SIGUSR1, signal.SIGUSR2)
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
fd = syscalls.signalfd(wanted)
for _ in range(5):
    os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGUSR2)
try:
    while record := os.read(fd, syscalls.SIGNALFD_RECORD):
        print("signal", syscalls.signal_number(record))
except BlockingIOError as error:
    print(f"read(): {error.strerror}")
