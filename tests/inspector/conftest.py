"""How many examples property tests try: few in `make check`, many with HYPOTHESIS_PROFILE=thorough (`make fuzz`)."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: a busy machine is no failure.
settings.register_profile("fast", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
