"""The errors of the package, with one root.

WebhookError
├── SettingsError             flags or environment are invalid; carries all problems
├── ReviewError               the HTTP body is not an AdmissionReview that we can answer
├── MappingError              the whole role mapping document is invalid
├── CredentialsConfigError    the container credentials file is malformed
├── UnusableInput             a command cannot use its input: exit code 2
├── ManifestError             a manifest cannot be read
│   └── NoManifest            a file is something else than a manifest
├── DocumentError             a document is not the JSON object that it should be: webhook/issuer/json_object.py
│   └── JwksError             a document is not a JWKS: webhook/issuer/jwks.py
├── PemError                  a PEM file has no usable public keys: webhook/issuer/pem.py
├── MergeError                two JWKS cannot be one: webhook/issuer/rotation.py
├── LookupFailed              the live read of a ServiceAccount failed
├── ClusterError              a request to the API server failed: webhook/cluster/api_errors.py has its tree
├── ListenError               a listener cannot start: webhook/server/http/listener.py
├── TokenError                a token is not one that STS would read: webhook/issuer/token.py
├── TlsError                  a TLS setting or certificate is unusable: webhook/server/certificates/tls_settings.py
└── MetadataError             the instance metadata service did not return the account: webhook/server/imds.py
"""


class WebhookError(Exception):
    """The root of all errors that this package raises on purpose. Its text is one line for people."""


class SettingsError(WebhookError):
    """Invalid settings. `problems` holds one line for each problem, and all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ReviewError(WebhookError):
    """A body that is not an AdmissionReview with a uid that we can answer: the HTTP answer is 400."""


class MappingError(WebhookError):
    """The whole role mapping document is invalid, not only some of its entries."""


class CredentialsConfigError(WebhookError):
    """The container credentials configuration is malformed."""


class UnusableInput(WebhookError):
    """A command cannot read or understand its input: the exit code is that of wrong usage."""


class ManifestError(WebhookError):
    """A manifest cannot be read; the text names the place."""


class NoManifest(ManifestError):
    """A file is something else than a manifest: it has no object of Kubernetes, or is a template of Helm."""


class LookupFailed(WebhookError):
    """The live read of a ServiceAccount failed, so we do not know whether it exists."""
