"""The errors of this package.

CertificateError
├── InvalidName      our certificates cannot carry this name
├── InvalidPair      the certificate or private key is unreadable, or the two do not belong together
├── CannotIssue      the CA or the lifetime does not allow the requested certificate
├── CannotWrite      the files cannot be written
└── StoreError       the Secret or the webhook configuration cannot be read or written
    ├── Missing      the webhook configuration does not exist
    └── Conflict     somebody else has changed the object since we read it
"""


class CertificateError(Exception):
    """The root of all errors of this package. The message is one line."""


class InvalidName(CertificateError):
    """Our certificates cannot carry this name."""


class InvalidPair(CertificateError):
    """The certificate or private key is unreadable, or the two do not belong together."""


class CannotIssue(CertificateError):
    """The CA or the lifetime does not allow the requested certificate."""


class CannotWrite(CertificateError):
    """The files cannot be written."""


class StoreError(CertificateError):
    """The Secret or the webhook configuration cannot be read or written."""


class Missing(StoreError):
    """The webhook configuration does not exist."""


class Conflict(StoreError):
    """Somebody else has changed the object since we read it: read it again and decide again."""
