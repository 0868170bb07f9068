"""structlog, without the console for people that it would load as well.

structlog colours its lines with rich where that is installed, as it is beside the laboratory: half
of the time that the import takes, at every start of a daemon whose lines no person sees. None in
sys.modules is the documented way to say "not here": the import system's reference, "The module
cache".
"""

import sys

_hidden = [name for name in ("rich", "better_exceptions") if name not in sys.modules]
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]

import structlog  # noqa: E402

for _name in _hidden:
    del sys.modules[_name]

__all__ = ["structlog"]
