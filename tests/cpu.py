"""pytest --cpu: what the tests cost by file, in seconds of processor time, children included.

Time on the wall says little on a busy machine. A process counts when it was waited for, by us or
by whom we waited for, getrusage(2): a daemon that its keeper reaped is the keeper's, and ours.
"""

import resource
from collections import Counter
from collections.abc import Generator

import pytest

_COST = "cpu"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu", type=int, default=0, metavar="N", help="CPU by file, N dearest tests")


def _spent() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@pytest.hookimpl(wrapper=True)
def _phase(item: pytest.Item) -> Generator[None, object, object]:
    before = _spent()
    try:
        return (yield)
    finally:
        item.user_properties.append((_COST, _spent() - before))


pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = _phase


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    count = terminalreporter.config.getoption("--cpu")
    if not count:
        return
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":  # its properties are those of all phases
                costs = [cost for name, cost in report.user_properties if name == _COST]
                tests[report.nodeid] = sum(costs)
    files: Counter[str] = Counter()
    for name, cost in tests.items():
        files[name.partition("::")[0]] += cost
    terminalreporter.section("CPU seconds")
    for table, most in ((files, None), (tests, count)):
        for name, cost in table.most_common(most):
            terminalreporter.line(f"{cost:8.2f}  {name}")
    terminalreporter.line(f"{files.total():8.2f}  in all")
