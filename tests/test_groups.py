"""The tests themselves: those of a group share a worker, as what they share is made only once."""

import os

import pytest


@pytest.mark.xdist_group("groups")
def test_groups_are_heeded(request: pytest.FixtureRequest) -> None:
    """Under --dist loadgroup a test is named after its group, by which it gets its worker."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not request.config.getoption("loadgroup"):
        pytest.skip("only under -n N --dist loadgroup, as `make test` has it")
    assert request.node.nodeid.endswith("@groups")
