"""Settings of the whole suite."""

from hypothesis import settings

# The same examples at each run: a failure is found by the change that caused it, not by a later one's luck.
# `pytest --hypothesis-profile=search` looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, max_examples=100)
settings.register_profile("search", deadline=None, max_examples=5000)
settings.load_profile("repeatable")
