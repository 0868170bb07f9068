"""structlog, without what it would load as well and we do not use.

That takes half of the time, at every start of a daemon: rich and colorama, which colour lines for
people; asyncio and uuid, for other ways to call it. None in sys.modules is the documented way to
say "not here": the import system's reference, "The module cache". Asyncio and uuid must be there:
a stand-in has the place of each, and brings the real one when somebody asks for a part of it.
"""

import sys
from importlib import import_module
from types import ModuleType


def _stand_in(name: str) -> ModuleType:
    """Looks up each attribute in the real module: PEP 562."""
    module = ModuleType(name)
    module.__getattr__ = lambda attribute: getattr(import_module(name), attribute)  # type: ignore[method-assign]
    return module


_hidden = [name for name in ("rich", "better_exceptions", "colorama") if name not in sys.modules]
_later = [name for name in ("asyncio", "uuid") if name not in sys.modules]
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]
for _name in _later:
    sys.modules[_name] = _stand_in(_name)

import structlog  # noqa: E402

for _name in (*_hidden, *_later):
    del sys.modules[_name]

__all__ = ["structlog"]
