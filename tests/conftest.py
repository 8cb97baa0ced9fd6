"""What holds for all tests: no property is bound by the clock on the wall, for how busy a machine is says nothing about the code."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("chainyard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chainyard")
