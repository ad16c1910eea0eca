"""The tests. Laws are tried with as much time as a busy machine takes: slowness is no failure (`make bench` measures)."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
