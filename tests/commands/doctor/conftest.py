"""The issuer, the account and the stand-in for STS that tests/sts uses too."""

from tests.sts.conftest import account, host, sts

__all__ = ["account", "host", "sts"]
