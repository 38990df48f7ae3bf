"""Faults at random under load: whatever is killed, paused, cut off or told the wrong time, every promise is kept."""

import os
import random

import pytest

from tests.faults.suite.nemesis import random_faults
from tests.faults.suite.run import violations

SECONDS = float(os.environ.get("FAULTS_SECONDS", "120"))
SEED = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)


@pytest.mark.timeout(SECONDS + 600)
async def test_nothing_is_lost_doubled_or_told_wrong() -> None:
    print(f"\nFAULTS_SEED={SEED} FAULTS_SECONDS={SECONDS:g}", flush=True)
    found = await violations(random_faults(SECONDS), seed=SEED)
    assert found == [], f"FAULTS_SEED={SEED}\n" + "\n".join(map(str, found))
