"""What holds for every test."""

from hypothesis import settings

# A slow machine is no wrong answer: hypothesis would fail an example that took more than 0.2 s.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
