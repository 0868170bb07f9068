import os


def try_setsid(who: str) -> None:
    try:
        os.setsid()
    except OSError as error:
        print(f"{who}: setsid(): {error.strerror}", flush=True)
        return
    leads = os.getsid(0) == os.getpid() and os.getpgrp() == os.getpid()
    print(f"{who}: leads session and group: {'yes' if leads else 'no'}", flush=True)


os.setpgid(0, 0)  # a shell does this for each job: the first process leads a group
try_setsid("group leader")
child = os.fork()
if child == 0:
    try_setsid("its child")
else:
    os.waitpid(child, 0)
