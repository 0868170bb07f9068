import os
import signal


def start() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # it waits until we ask: lab 3
for _ in range(5):
    os.waitid(os.P_PID, start(), os.WEXITED | os.WNOWAIT)  # ended, and left a zombie
os.system("grep ShdPnd /proc/$PPID/status")
while signal.sigtimedwait({signal.SIGCHLD}, 0):
    reaped, _ = os.waitpid(-1, os.WNOHANG)
    print("one SIGCHLD, one child reaped:", int(reaped > 0), flush=True)
os.system("ps -o stat,comm --ppid $PPID | grep -c Z")
