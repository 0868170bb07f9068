import os
import sys

child = os.fork()
if child == 0:
    os._exit(7)
# WNOWAIT: wait until it has ended, but leave it to be reaped.
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
command = f"ps -o stat,comm -p {child}"
os.system(command)
_, status = os.waitpid(child, 0)
print("reaped, exit status", os.waitstatus_to_exitcode(status), flush=True)
sys.exit(os.system(command) == 0)  # ps(1) fails: there is no such process
