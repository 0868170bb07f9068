"""Jobs come as files, and a file's folder says how far its job is. Twin of `c/src/spool.c`.

    new/     a program dropped here (by rename, so that it is whole) is a job
    cur/     it was claimed, and runs
    done/    it ended with exit code 0
    failed/  it did not, or is no program
    id/      for each name in cur/ a symbolic link, which holds the id of that job

rename(2) within one file system is atomic: a job is in one folder at any moment, whatever dies in
between. The same name may come many times, and each time it is another job: so a job has an id of
its own, random, which it is given before it is moved to cur/, and keeps until it has left cur/. How
that makes every result be recorded exactly once: docs/decisions/spool.md.
"""

import errno
import os
import stat
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field

from labd import syscalls
from labd.failure import Failure, failing, failure

SPOOL_ID = 32
"""Hexadecimal digits of 128 bits."""

SPOOL_NONE, SPOOL_CLAIMED, SPOOL_REFUSED = range(3)
"""What spool_claim found."""

_LONGEST_JOB = 263
_PATH_MAX = 4096
_FOLDERS = ("new", "cur", "done", "failed", "id")


@dataclass(slots=True)
class Claim:
    """A job that was claimed."""

    name: str = ""
    id: str = ""
    left: bool = False
    """By a daemon that died: perhaps it has run, perhaps it has a result."""
    why: str = ""
    """The reason why it was refused."""


@dataclass(frozen=True, slots=True)
class Held:
    """A job in cur/ that does not run."""

    name: str
    left: bool


@dataclass(slots=True)
class Spool:
    """An open spool."""

    path: str = ""
    fd: int = -1
    """The folder; -1: there is no spool."""
    watch: int = -1
    """inotify(7) on new/; readable when a file was put there; -1: not open."""
    names: Generator[str] | None = None
    """new/, as far as it has been read; None: from the top next time."""
    found: bool = False
    """Something was claimed since the top, or may have come."""
    held: list[Held] = field(default_factory=list)
    """Those that are given again."""
    returned: list[Held] = field(default_factory=list)
    """Those that are after spool_again."""


def _move(spool: Spool, source: str, target: str, name: str, flags: int = 0) -> None:
    """flags as renameat2(2) takes them."""
    with failing(f"rename({spool.path}/{source}/{name}, {target})"):
        syscalls.renameat2(spool.fd, f"{source}/{name}", spool.fd, f"{target}/{name}", flags)


def _exists(spool: Spool, folder: str, name: str) -> bool:
    try:
        os.stat(f"{folder}/{name}", dir_fd=spool.fd, follow_symlinks=False)
    except OSError as error:
        return error.errno != errno.ENOENT
    return True


def _names(spool: Spool, folder: str) -> Generator[str]:
    """The names in one of the folders that do not begin with a dot."""
    with failing(f"open({spool.path}/{folder})"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=spool.fd)
    try:
        with os.scandir(fd) as entries:
            yield from (entry.name for entry in entries if not entry.name.startswith("."))
    finally:
        os.close(fd)


def _make_folders(spool: Spool) -> None:
    for folder in _FOLDERS:
        with failing(f"mkdir({spool.path}/{folder})"), suppress(FileExistsError):
            os.mkdir(folder, 0o755, dir_fd=spool.fd)


# --- ids ---


def spool_new_id() -> str:
    """128 random bits. Raises Failure."""
    with failing("getrandom()"):
        return os.urandom(SPOOL_ID // 2).hex()


def _give_id(spool: Spool, name: str) -> str:
    """Give the name a new id; EEXIST if it has one. symlink(2) is atomic, as no write(2) is."""
    new = spool_new_id()
    with failing(f"symlink({spool.path}/id/{name})"):
        os.symlink(new, f"id/{name}", dir_fd=spool.fd)
    return new


def spool_id(spool: Spool, name: str) -> str:
    """The id of a claimed job; one whose id was removed gets another. Raises Failure."""
    with failing(what := f"readlink({spool.path}/id/{name})"):
        try:
            found = os.readlink(f"id/{name}", dir_fd=spool.fd)
        except FileNotFoundError:
            return _give_id(spool, name)
    if len(os.fsencode(found)) != SPOOL_ID:
        raise failure(what, errno.EINVAL)
    return found


def _drop_id(spool: Spool, name: str) -> None:
    with suppress(OSError):  # one that stays is removed at the next start
        os.unlink(f"id/{name}", dir_fd=spool.fd)


# --- what was left ---


def spool_return(spool: Spool, name: str, left: bool) -> None:
    """Hold a claimed job: it cannot be run now. left as in its claim. It is not given again before
    spool_again."""
    spool.returned.append(Held(name, left))


def spool_again(spool: Spool) -> None:
    """All that are held are given again by spool_claim, before new ones."""
    spool.held += spool.returned
    spool.returned.clear()


def _hold_left(spool: Spool, name: str) -> None:
    try:
        _give_id(spool, name)  # one that came here without us has none
    except Failure as problem:
        if problem.error != errno.EEXIST:
            raise
    spool_return(spool, name, True)


def _forget(spool: Spool, name: str) -> None:
    """The claim of one that is still in new/ was not finished; one that has left cur/ is done."""
    if not _exists(spool, "cur", name):
        _drop_id(spool, name)


def _each(spool: Spool, folder: str, act: Callable[[Spool, str], None]) -> None:
    for name in _names(spool, folder):
        act(spool, name)


def spool_open(path: str) -> Spool:
    """Open the spool at path, with the five folders, which are made where they miss.

    The spool belongs to one daemon: what still lies in cur/ was running when the last one died, and
    is held. Ids of names that are not in cur/ are removed. Raises Failure, with nothing left open
    then.
    """
    if len(os.fsencode(path)) + _LONGEST_JOB > _PATH_MAX:
        raise failure(f"open({path})", errno.ENAMETOOLONG)
    with failing(f"open({path})"):
        spool = Spool(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        _make_folders(spool)
        _each(spool, "cur", _hold_left)
        spool_again(spool)
        _each(spool, "id", _forget)
    except Failure:
        spool_close(spool)
        raise
    return spool


# --- the watch ---


def spool_watch(spool: Spool) -> None:
    """Be told when a file has been moved into new/, or written there. Raises Failure: then one has
    to look now and then."""
    path = f"{spool.path}/new"
    with failing("inotify_init1()"):
        spool.watch = syscalls.inotify_init()
    try:
        with failing(f"inotify_add_watch({path})"):
            syscalls.inotify_add_watch(
                spool.watch,
                path,
                syscalls.IN_MOVED_TO | syscalls.IN_CLOSE_WRITE | syscalls.IN_ONLYDIR,
            )
    except Failure:
        os.close(spool.watch)
        spool.watch = -1
        raise


def spool_heard(spool: Spool) -> bool:
    """Read what the watch has told, so that it is not readable any more. Returns whether it was."""
    heard = False
    # What they say does not matter, also not that some were lost: we look at all of new/.
    with suppress(OSError):
        while spool.watch >= 0 and os.read(spool.watch, 4096):
            heard = True
    return heard


# --- claiming ---


def _objection(status: os.stat_result) -> str:
    """Why it is no job for us; empty when it is one."""
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user"
    if status.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    return ""


_TAKEN = {errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST}


def _put_away(spool: Spool, name: str, folder: str) -> None:
    """To a name that is taken by a folder it cannot be moved: then its id is its name."""
    try:
        _move(spool, "cur", folder, name)
    except Failure as problem:
        if problem.error not in _TAKEN:
            raise
        try:
            target = f"{folder}/{spool_id(spool, name)}"
            syscalls.renameat2(spool.fd, f"cur/{name}", spool.fd, target, syscalls.RENAME_NOREPLACE)
        except (Failure, OSError):
            raise problem from None
    # Where both names are links to one file, rename(2) does nothing, and calls it a success.
    with suppress(OSError):
        os.unlink(f"cur/{name}", dir_fd=spool.fd)
    _drop_id(spool, name)


def _look_at(spool: Spool, claim: Claim) -> int:
    """Look at one that lies in cur/ now."""
    path = f"cur/{claim.name}"
    try:
        with failing(f"stat({spool.path}/{path})"):
            status = os.stat(path, dir_fd=spool.fd, follow_symlinks=False)
    except Failure as problem:
        if problem.error != errno.ENOENT:
            raise
        _drop_id(spool, claim.name)  # who has taken it away wants nothing to be run
        return SPOOL_NONE
    claim.why = _objection(status)
    if not claim.why:
        return SPOOL_CLAIMED
    _put_away(spool, claim.name, "failed")
    return SPOOL_REFUSED


def _claim_new(spool: Spool, claim: Claim) -> int:
    """SPOOL_NONE if it is not to be had."""
    try:
        claim.id = _give_id(spool, claim.name)
    except Failure as problem:
        if problem.error == errno.EEXIST:  # a job of that name runs: this one waits
            return SPOOL_NONE
        claim.name = ""  # the next one would get none, either
        raise
    try:
        _move(spool, "new", "cur", claim.name, syscalls.RENAME_NOREPLACE)
    except Failure as problem:
        _drop_id(spool, claim.name)
        # Who put it there may have taken it away again; whether it has come back says nothing. But
        # ENOENT may be about cur/ as well.
        if problem.error == errno.ENOENT and _exists(spool, "cur", "."):
            return SPOOL_NONE
        raise
    return _look_at(spool, claim)


def _claim_held(spool: Spool, claim: Claim) -> int:
    held = spool.held.pop()
    claim.name, claim.left = held.name, held.left
    found = _look_at(spool, claim)
    if found == SPOOL_CLAIMED:
        claim.id = spool_id(spool, claim.name)
    return found


def _next_new(spool: Spool) -> str:
    """The next name in new/; empty at its end. From the top again as long as that brought
    something: others may have come behind us."""
    name, again = "", True
    while not name and again:
        if spool.names is None:
            spool.names = _names(spool, "new")
            spool.found = False
        try:
            name = next(spool.names, "")
        except Failure:
            spool.names = None
            raise
        if not name:
            spool.names = None
            again = spool.found
    return name


def spool_look(spool: Spool) -> None:
    """More may have come: see all of new/, from the top, before the next SPOOL_NONE."""
    spool.found = True


def spool_claim(spool: Spool, claim: Claim) -> int:
    """Take the next job: one that is held, or else from new/, which is moved to cur/.

    Goes on in new/ where it stopped the last time, and says SPOOL_NONE when it has seen all of it,
    from the top, and found nothing to take: so a hundred thousand files cost a hundred thousand
    steps. One whose name is in cur/ already waits in new/; names that begin with a dot are not
    jobs.

    What is not a regular file, or belongs neither to us nor to root, or may be written by
    everybody, is refused: it goes to failed/, SPOOL_REFUSED is returned, and claim.why says the
    reason. That is looked at in cur/, where nobody else can put another in its place.

    Raises Failure; claim.name is empty when that was not about this job alone: new/ cannot be read,
    or no id can be made. The next call goes on behind it.
    """
    found = SPOOL_NONE
    while found == SPOOL_NONE and spool.held:
        found = _claim_held(spool, claim)
    while found == SPOOL_NONE:
        claim.name, claim.left = "", False
        if not (name := _next_new(spool)):
            break
        claim.name = name
        found = _claim_new(spool, claim)
        if found != SPOOL_NONE:
            spool.found = True
    return found


def spool_job(spool: Spool, name: str) -> str:
    """The path of a claimed job."""
    return f"{spool.path}/cur/{name}"


def spool_finish(spool: Spool, name: str, good: bool) -> None:
    """Move a claimed job to done/ or failed/; then its id is removed.

    It takes the place of an earlier one of its name there; where that is a folder, it is named by
    its id. Raises Failure.
    """
    _put_away(spool, name, "done" if good else "failed")


def spool_count(spool: Spool) -> int:
    """How many names wait in new/."""
    with suppress(Failure):
        return sum(1 for _ in _names(spool, "new"))
    return 0


def spool_close(spool: Spool) -> None:
    """Close the folder and the watch."""
    spool.held.clear()
    spool.returned.clear()
    if spool.names is not None:
        spool.names.close()
    for fd in (spool.watch, spool.fd):
        if fd >= 0:
            os.close(fd)
    spool.names, spool.watch, spool.fd = None, -1, -1
