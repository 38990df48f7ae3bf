"""First on a process's path, this makes its wall clock wrong, as on a machine whose clock nobody sets: what Python's `time`
says is so many seconds off. Monotonic clocks stay right, as they do there."""

import os
import time

_off_s = float(os.environ["TEST_CLOCK_SKEW_S"])
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _off_s
time.time_ns = lambda: _time_ns() + int(_off_s * 1e9)
