"""The errors of requests to the API server.

WebhookError
└── ClusterError
    ├── ClusterConfigError    the kubeconfig, token or certificates cannot be used
    ├── InvalidName           Kubernetes does not allow the name, so we never put it into a URL
    ├── Unreachable           the API server did not answer
    │   ├── NotAnApiServer    something else than an API server answered
│   └── TimedOut          the API server did not answer in time, or sent nothing for too long
    ├── ApiError              the API server answered with an error: its HTTP status and message
    │   └── Expired           410: the resourceVersion or continue token is too old
    └── MalformedAnswer       the answer does not follow the Kubernetes API
        └── TooLarge          the answer has more bytes than we accept
"""

from webhook.errors import WebhookError


class ClusterError(WebhookError):
    """The root of all errors of requests to the API server. The message says what an admin should do."""


class ClusterConfigError(ClusterError):
    """The kubeconfig, token or certificates cannot be used."""


class InvalidName(ClusterError):
    """Kubernetes does not allow this name."""


class Unreachable(ClusterError):
    """The API server did not answer."""


class NotAnApiServer(Unreachable):
    """Something else than an API server answered, such as a web server with a page."""


class TimedOut(Unreachable):
    """The API server did not answer in time, or sent nothing for too long."""


class ApiError(ClusterError):
    """The API server answered with an error. `retry_after` is in seconds; 0 if the answer does not set it.

    `reason` comes from its Status (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Expired(ApiError):
    """The resourceVersion or continue token is too old for the API server: list again."""


class MalformedAnswer(ClusterError):
    """The answer does not follow the Kubernetes API."""


class TooLarge(MalformedAnswer):
    """The answer has more bytes than we accept; we discarded it."""
