"""An installation's stage is told from evidence; time alone never makes it done, only stalled."""

import pytest

from steps.domain.errors import TimedOut, VerifyFailed
from steps.domain.esxi import EsxiSeen
from steps.domain.identity import Before
from steps.domain.installation import Evidence, StallWatch, Standing, assess, decide_start
from steps.domain.media import Lease
from tests.unit.domain.samples import HOST, NEW, OLD, START, callback, lease, mark

MIB = 1 << 20
STARTED = mark("power-on", "0")
READ = lease(marks=(STARTED,), bytes_covered=900 * MIB, kickstart_read_at=START)


def standing(given: Lease, seen: EsxiSeen | None = None, before: Before | None = None) -> Standing:
    return assess(HOST, before or Before(), Evidence(given, seen, "on", "OSBootStarted"))


@pytest.mark.parametrize(
    ("given", "stage", "text"),
    [
        (lease(), "boot", "ISO not read yet, BMC says OSBootStarted"),
        (lease(bytes_covered=40 * MIB, marks=(mark("power-on", str(40 * MIB)),)), "boot", "ISO not read yet"),
        (lease(bytes_covered=500 * MIB, marks=(STARTED,)), "load", "500 of 1000 MiB"),
        (READ, "install", "kickstart read"),
        (lease(callbacks=(callback("pre-ok"),)), "install", "disk and serial checked on the host"),
        (lease(callbacks=(callback("pre-ok"), callback("post-ok"))), "reboot", "installer done"),
    ],
    ids=["nothing", "read at insert only", "half read", "kickstart read", "pre", "post"],
)
def test_stage_from_evidence(given: Lease, stage: str, text: str) -> None:
    found = standing(given)
    assert found.stage == stage
    assert text in found.text


def test_percent_never_falls_from_stage_to_stage() -> None:
    steps = [
        lease(),
        lease(bytes_covered=1, marks=(STARTED,)),
        lease(bytes_covered=999 * MIB, marks=(STARTED,)),
        READ,
        lease(callbacks=(callback("post-ok"),)),
    ]
    shown = [standing(given).percent for given in steps] + [standing(READ, NEW).percent]
    assert shown == sorted(shown) and shown[-1] == 100


def test_done_only_when_another_esxi_than_before_answers_after_the_kickstart_was_read() -> None:
    assert standing(READ, NEW).stage == "done"
    assert standing(READ, NEW, Before(seen=OLD)).stage == "done"


@pytest.mark.parametrize(
    ("given", "seen", "before", "reason"),
    [
        (READ, OLD, Before(seen=OLD), "installation from before this run answers"),
        (lease(marks=(STARTED,)), OLD, Before(seen=OLD), "without reading the kickstart"),
        (lease(marks=(STARTED,)), NEW, Before(), "an ESXi answers at 10.0.1.11, without reading the kickstart"),
        (lease(callbacks=(callback("pre-failed", "2 disks match"),)), None, Before(), "2 disks match"),
    ],
    ids=["old again", "old, never read", "unknown, never read", "disk rule"],
)
def test_evidence_that_it_cannot_succeed_ends_it_at_once(
    given: Lease, seen: EsxiSeen | None, before: Before, reason: str
) -> None:
    with pytest.raises(VerifyFailed, match=reason):
        standing(given, seen, before)


@pytest.mark.parametrize(
    ("given", "stage", "limit_s"),
    [
        (lease(), "boot", HOST.timeouts.boot_s),
        (lease(bytes_covered=5 * MIB), "load", HOST.timeouts.load_s),
        (READ, "install", HOST.timeouts.install_s),
        (lease(callbacks=(callback("post-ok"),)), "reboot", HOST.timeouts.reboot_s),
    ],
)
def test_a_stall_names_its_stage(given: Lease, stage: str, limit_s: int) -> None:
    watch, now = StallWatch(HOST, 0.0), standing(given)
    watch.check(now, 0.0)
    watch.check(now, float(limit_s))
    with pytest.raises(TimedOut, match=f"stalled at {stage}"):
        watch.check(now, limit_s + 1.0)


def test_new_evidence_starts_the_time_anew() -> None:
    watch = StallWatch(HOST, 0.0)
    for second in range(0, 5000, 500):
        watch.check(standing(lease(bytes_covered=(second + 1) * MIB, marks=(STARTED,))), float(second))


@pytest.mark.parametrize(
    ("given", "power", "action"),
    [
        (lease(), "off", "power-on"),
        (lease(), "on", "power-on"),
        (lease(marks=(STARTED,)), "off", "power-on"),
        (lease(marks=(STARTED,)), "on", "watch"),
        (lease(marks=(STARTED,), bytes_covered=1), "off", "watch"),
        (READ, "on", "watch"),
    ],
    ids=["first time", "first time, on", "died before the reset", "starting", "was installing, now off", "installing"],
)
def test_a_server_is_started_once(given: Lease, power: str, action: str) -> None:
    assert decide_start(given, power) == action
