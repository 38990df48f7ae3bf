"""Faults at random under load: whatever is killed, paused, cut off or told the wrong time, every promise is kept."""

import os
import random

import pytest

from tests.faults.suite.faults import CLUSTER_FAULTS, FAULTS
from tests.faults.suite.nemesis import random_faults
from tests.faults.suite.run import violations
from tests.faults.suite.shape import Shape

SECONDS = float(os.environ.get("FAULTS_SECONDS", "120"))
SEED = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)


@pytest.mark.timeout(2 * SECONDS + 600)
@pytest.mark.parametrize("nats_servers", [1, 3])
async def test_nothing_is_lost_doubled_or_told_wrong(nats_servers: int) -> None:
    print(f"\nFAULTS_SEED={SEED} FAULTS_SECONDS={SECONDS:g}", flush=True)
    faults = FAULTS if nats_servers == 1 else CLUSTER_FAULTS
    found = await violations(random_faults(SECONDS, faults=faults), seed=SEED, shape=Shape(nats_servers=nats_servers))
    assert found == [], f"FAULTS_SEED={SEED}\n" + "\n".join(map(str, found))
