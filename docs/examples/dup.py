import os


def tell(what: str, fd: int) -> None:
    state = "inherited" if os.get_inheritable(fd) else "close-on-exec"
    print(f"{what}: {state}")


fd = os.open("/dev/null", os.O_RDWR)  # Python adds O_CLOEXEC: PEP 446
tell("open(O_CLOEXEC)", fd)
os.dup2(fd, 50)
tell("dup2(fd, 50)", 50)
os.dup2(fd, fd)
tell("dup2(fd, fd)", fd)
