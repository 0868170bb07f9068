"""Start a program at a new terminal, hear its first words, close the terminal."""

import os
import pty
import signal
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
print("at the terminal:", os.read(terminal, 100).decode().strip())
os.close(terminal)
print("the terminal is closed")
_, status = os.waitpid(pid, 0)
if os.WIFSIGNALED(status):
    print("killed by", signal.Signals(os.WTERMSIG(status)).name)
else:
    print("ended with exit status", os.WEXITSTATUS(status))
