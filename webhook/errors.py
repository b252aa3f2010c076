"""The one error root of the package.

WebhookError
├── SettingsError             flags or environment make no sense; carries every problem at once
├── ReviewError               the HTTP body is not an AdmissionReview that can be answered
├── MappingError              the role mapping document is bad as a whole
├── CredentialsConfigError    the container credentials file is malformed
├── UnusableInput             a command's input cannot be used: exit code 2
├── ManifestError             a manifest cannot be read
│   └── NoManifest            a file is something else than a manifest
├── LookupFailed              a ServiceAccount could not be looked up
├── ClusterError              the API server cannot be asked, or says no: webhook/cluster/api_errors.py has its tree
├── ListenError               an address cannot be listened at: webhook/server/http/listener.py
├── TlsError                  a certificate cannot be served: webhook/server/certificates/tls_settings.py
└── MetadataError             the instance metadata service did not return the account: webhook/server/imds.py
"""


class WebhookError(Exception):
    """Root of all errors that this package raises on purpose. Its text is one line for a person."""


class SettingsError(WebhookError):
    """Settings that make no sense. `problems` holds one line for each, all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ReviewError(WebhookError):
    """A body that is no AdmissionReview we could answer by its uid: the HTTP answer is 400."""


class MappingError(WebhookError):
    """The role mapping document is not what the contract says, as a whole."""


class CredentialsConfigError(WebhookError):
    """The container credentials configuration is malformed."""


class UnusableInput(WebhookError):
    """What a command was given to work on cannot be read or makes no sense: the exit code is that of wrong usage."""


class ManifestError(WebhookError):
    """A manifest cannot be read; the text names the file and the place."""


class NoManifest(ManifestError):
    """A file is something else than a manifest: it has no object of Kubernetes, or is a template of Helm."""


class LookupFailed(WebhookError):
    """A ServiceAccount's state could not be found out: neither there nor known to be absent."""
