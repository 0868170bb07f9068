import os


def try_setsid(who: str) -> None:
    try:
        os.setsid()
    except OSError as error:
        print(f"{who}: setsid(): {error.strerror}", flush=True)
        return
    leads = os.getsid(0) == os.getpid() and os.getpgrp() == os.getpid()
    answer = "yes" if leads else "no"
    print(f"{who}: leads session and group: {answer}", flush=True)


os.setpgid(0, 0)  # as a shell does for each job: now we lead a group
try_setsid("group leader")
child = os.fork()
if child == 0:
    try_setsid("its child")
else:
    os.waitpid(child, 0)
