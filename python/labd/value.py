"""The kinds of values that a key of the configuration can have.

Each function reads the text of one value, or raises Expected with a text such as "an absolute
path". What int() and float() take beside plain numbers (blanks, signs, "1_0", "inf") is refused.
Twin of `c/src/value.c`.
"""

import os
import re

from labd.inifile import Expected

_LONGEST_SECONDS = 86400
_MOST_WORKERS = 10000
_MOST_BYTES = 1 << 30
_LAST_PORT = 65535
_LONGEST_SOCKET = 107
_PATH_MAX = 4096


def value_path(value: str) -> str:
    """An absolute path."""
    if not value.startswith("/"):
        raise Expected("an absolute path")
    if len(os.fsencode(value)) >= _PATH_MAX:
        raise Expected("a path shorter than 4096 bytes")
    return value


def value_file(value: str) -> str:
    """One without a / at its end."""
    if value.startswith("/") and value.endswith("/"):
        raise Expected("the path of a file: no / at its end")
    return value_path(value)


def value_umask(value: str) -> int:
    """Octal, from 0 to 777."""
    if not re.fullmatch("[0-7]+", value) or int(value, 8) > 0o777:
        raise Expected("an octal number from 0 to 777")
    return int(value, 8)


def value_seconds(value: str) -> int:
    """From 0 to 86400, with a fraction or not; in milliseconds."""
    # float() alone would take "inf", "1e3" and "1_0" as well.
    if not re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", value) or float(value) > _LONGEST_SECONDS:
        raise Expected("seconds from 0 to 86400, such as 5 or 0.5")
    return int(float(value) * 1000 + 0.5)


def _read_number(value: str, least: int, most: int, expected: str) -> int:
    """Nothing but digits, at most ten of them; both bounds are included."""
    if not re.fullmatch("[0-9]{1,10}", value) or not least <= int(value) <= most:
        raise Expected(expected)
    return int(value)


def value_workers(value: str) -> int:
    """A number from 1 to 10000."""
    return _read_number(value, 1, _MOST_WORKERS, f"a number from 1 to {_MOST_WORKERS}")


def value_bytes(value: str) -> int:
    """A number from 0 to 1073741824."""
    return _read_number(value, 0, _MOST_BYTES, f"a number of bytes from 0 to {_MOST_BYTES}")


def value_level(value: str) -> str:
    """One of debug, info, warning and error."""
    if value not in ("debug", "info", "warning", "error"):
        raise Expected("debug, info, warning or error")
    return value


def value_runner(value: str) -> str:
    """none, podman, docker or the path of a program; empty for none."""
    if value in ("none", "podman", "docker"):
        return "" if value == "none" else value
    try:
        return value_file(value)
    except Expected:
        raise Expected("none, podman, docker or the absolute path of a program") from None


def value_image(value: str) -> str:
    """Letters, digits and -._/:@, but no - in front: it would be an option."""
    if not re.fullmatch("[A-Za-z0-9._/:@][A-Za-z0-9._/:@-]{0,254}", value):
        raise Expected("the name of an image: at most 255 of A-Z a-z 0-9 - . _ / : @")
    return value


def _is_socket(path: str) -> bool:
    return (
        path.startswith("/")
        and len(os.fsencode(path)) <= _LONGEST_SOCKET
        and not path.endswith("/")
    )


def _is_port(value: str) -> bool:
    return re.fullmatch("[0-9]{1,10}", value) is not None and int(value) <= _LAST_PORT


def value_listen(value: str) -> str:
    """Where to listen: 127.0.0.1:PORT, [::1]:PORT or unix:PATH.

    Only this machine can reach these: nobody has to prove who he is. PORT is a number up to 65535,
    0 for one that the kernel chooses; PATH is absolute and has at most 107 bytes, unix(7).
    """
    for prefix, good in (("unix:", _is_socket), ("127.0.0.1:", _is_port), ("[::1]:", _is_port)):
        if value.startswith(prefix) and good(value.removeprefix(prefix)):
            return value
    raise Expected("127.0.0.1:PORT, [::1]:PORT or unix:/PATH of at most 107 bytes")
