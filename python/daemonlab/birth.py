"""Words for what a subject is born into, and for the configuration that it is given."""

from collections.abc import Iterable, Iterator

from daemonlab.environment import NULL_VARIABLES, Environment
from daemonlab.facts import signal_names
from daemonlab.scenarios import Scenario

FOLDER = "FOLDER"
"""What stands for the folder of the launch, whose name is another each time."""


def _list(those: Iterable[object]) -> str:
    *most, last = map(str, those)
    return f"{', '.join(most)} and {last}" if most else last


def _standard(environment: Environment) -> str:
    if environment.closed:
        return f"none; descriptors {_list(sorted(environment.closed))} are closed"
    if environment.terminal:
        return "one, controlling, on descriptors 0, 1 and 2"
    return "none; 0 is /dev/null, 1 and 2 are a pipe"


def born(environment: Environment) -> Iterator[tuple[str, str]]:
    """What fork(2) and execve(2) hand down to the subject: a name, and words."""
    yield "terminal", _standard(environment)
    removed = ", which has been removed" if environment.directory_deleted else ""
    yield "directory", f"{FOLDER}, a temporary one{removed}"
    yield "umask", f"{environment.umask:03o}"
    if environment.descriptors:
        limit = environment.descriptor_limit
        lowered = f"; the limit was then lowered to {limit}" if limit else ""
        yield "leaked", f"descriptors {_list(environment.descriptors)}, on a file{lowered}"
    if environment.ignored:
        yield "ignored", f"signals {' '.join(signal_names(environment.ignored))}"
    if environment.blocked:
        yield "blocked", f"signals {' '.join(signal_names(environment.blocked))}"
    extra = sorted(set(environment.variables) - set(NULL_VARIABLES))
    if extra:
        yield "variables", f"{' '.join(extra)}, beside the usual ones"
    elif not environment.variables:
        yield "variables", "none"


def configured(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """The daemon's configuration, as one more line of that kind."""
    settings = (f"{key} = {value}" for key, value in scenario.settings.items())
    yield "configured", "; ".join(settings).format(scratch=FOLDER)
