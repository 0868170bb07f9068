import os


def there(child: int) -> str:
    try:
        os.kill(child, 0)
    except OSError as error:
        return str(error.strerror)
    return "it is there"


def look(child: int, how: str, options: int) -> None:
    try:
        info = os.waitid(os.P_PID, child, os.WEXITED | options)
        said = f"exit code {info.si_status}" if info else ""
    except OSError as error:
        said = str(error.strerror)
    print(f"{how}: {said}; kill(child, 0): {there(child)}")


child = os.fork()
if child == 0:
    os._exit(7)
look(child, "with WNOWAIT", os.WNOWAIT)
look(child, "with WNOWAIT", os.WNOWAIT)
look(child, "without", 0)
look(child, "without", 0)
