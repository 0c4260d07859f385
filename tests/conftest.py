"""What all tests share."""

from hypothesis import settings

# No deadline: a busy machine is not a bug.
settings.register_profile("engine", deadline=None)
settings.load_profile("engine")
