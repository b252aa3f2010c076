"""What can go wrong with certificates.

CertificateError
├── InvalidName      a name that no certificate of ours can carry
├── InvalidPair      a certificate or private key that cannot be read, or the two do not belong together
├── CannotIssue      the CA or the lifetime does not allow the certificate that was asked for
├── CannotWrite      the files cannot be written
└── StoreError       the Secret or the webhook configuration cannot be read or written
    ├── Missing      there is no webhook configuration
    └── Conflict     somebody else has changed it since it was read
"""


class CertificateError(Exception):
    """The root of all errors of this package. The message is one line."""


class InvalidName(CertificateError):
    """A name that no certificate of ours can carry."""


class InvalidPair(CertificateError):
    """A certificate or private key cannot be read, or the two do not belong together."""


class CannotIssue(CertificateError):
    """The CA or the lifetime does not allow the certificate that was asked for."""


class CannotWrite(CertificateError):
    """The files cannot be written."""


class StoreError(CertificateError):
    """The Secret or the webhook configuration cannot be read or written."""


class Missing(StoreError):
    """There is no webhook configuration."""


class Conflict(StoreError):
    """Somebody else has changed it since it was read: read it again and decide anew."""
