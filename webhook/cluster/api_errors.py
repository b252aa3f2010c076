"""What may go wrong between us and the API server.

WebhookError
└── ClusterError
    ├── ClusterConfigError    kubeconfig, token or certificates cannot be used
    ├── InvalidName           not a name that Kubernetes takes: it never goes into a URL
    ├── Unreachable           no answer
    │   └── TimedOut          no answer in time, or a connection that fell silent
    ├── ApiError              an answer that says no: its HTTP status and what the API server says
    │   └── Expired           410: a resourceVersion or a continue token that is too old
    └── MalformedAnswer       an answer that makes no sense
        └── TooLarge          an answer of more bytes than we take
"""

from webhook.errors import WebhookError


class ClusterError(WebhookError):
    """Root of what may go wrong between us and the API server; its text says what an admin should do."""


class ClusterConfigError(ClusterError):
    """How to reach the API server, or our credentials, cannot be read."""


class InvalidName(ClusterError):
    """A name that no Kubernetes object has."""


class Unreachable(ClusterError):
    """The API server gave no answer."""


class TimedOut(Unreachable):
    """The API server gave no answer in time, or fell silent."""


class ApiError(ClusterError):
    """The API server says no. `retry_after` is in seconds, 0 where it does not say.

    `reason` is the word of its Status (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Expired(ApiError):
    """What we ask to go on from is too old for the API server: list again."""


class MalformedAnswer(ClusterError):
    """An answer that is not what the Kubernetes API says."""


class TooLarge(MalformedAnswer):
    """An answer of more bytes than we take: what was read of it is forgotten."""
