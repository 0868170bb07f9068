"""Which launches a lab looks at: an environment, settings of the daemon, and what is done to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemonlab.environment import BARE, FRIENDLY, HOSTILE, Environment

WARMUP = 0.4
"""Seconds of work that the daemon of the scenario "slow" is told to have before it is ready."""
NOWHERE = "nowhere"
"""A folder that does not exist: where the daemon of the scenario "failing" is told to go."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One launch, to be made of every subject alike."""

    name: str
    environment: Environment
    settings: Mapping[str, str] = field(default_factory=dict)
    """Keys of the configuration; {scratch} stands for the folder of the launch."""
    actions: tuple[str, ...] = ()
    """In this order, each on a daemon that has settled: see perform.act."""
    any_program: bool = False
    """The subject need not be a labd: it is given no configuration."""
    killed_early: bool = False
    """The daemon is killed as soon as it logs that it is starting, before it can be ready."""


_LOG = {"log": "{scratch}/log"}

LABS: Mapping[int, tuple[Scenario, ...]] = {
    1: (
        Scenario("friendly", FRIENDLY, _LOG, ("logout",)),
        Scenario("hostile", HOSTILE, _LOG, ("logout",)),
        Scenario("bare", BARE, _LOG),
        Scenario("slow", FRIENDLY, {**_LOG, "warmup": str(WARMUP)}),
        Scenario("failing", FRIENDLY, {**_LOG, "directory": "{scratch}/" + NOWHERE}),
        Scenario("dying", FRIENDLY, {**_LOG, "warmup": "60"}, killed_early=True),
    ),
    2: (
        Scenario("friendly", FRIENDLY, _LOG),
        Scenario("hostile", HOSTILE, _LOG),
        Scenario("bare", BARE, _LOG),
    ),
    3: (
        Scenario("friendly", FRIENDLY, _LOG, ("HUP", "storm", "TERM")),
        Scenario("hostile", HOSTILE, _LOG, ("HUP", "INT")),
        Scenario("bare", BARE, _LOG, ("TERM",)),
        Scenario("draining", FRIENDLY, {**_LOG, "drain": "60"}, ("TERM TERM",)),
    ),
}


def of_any(environment: Environment) -> Scenario:
    """The scenario of any command, in an environment of the user's choice."""
    return Scenario(environment.name, environment, actions=("logout", "TERM"), any_program=True)
