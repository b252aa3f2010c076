"""The thumbprint of an IAM OIDC provider: SHA-1 of the top certificate that the host of `jwks_uri` sends.

AWS compares it only if it does not trust the host's CA by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1

WHEN_NEEDED = (
    "AWS needs the thumbprint only if the host's certificate comes from a CA that AWS does not trust by itself, such "
    "as your own. For the known public CAs, and so for S3 and CloudFront, AWS ignores it, and IAM takes a provider "
    "without one."
)


@dataclass(frozen=True)
class TopCertificate:
    """The last certificate of a chain as it was sent.

    `thumbprint` is SHA-1 in 40 hex digits. `is_only_one`: the server sent nothing above its leaf.
    """

    thumbprint: str
    subject: str
    ends: datetime
    is_only_one: bool


def top_certificate(chain: Sequence[bytes]) -> TopCertificate:
    """Returns the top of a chain of certificates (DER), the leaf first. Raises ValueError if it cannot be read."""
    certificate = x509.load_der_x509_certificate(chain[-1])
    return TopCertificate(
        # SHA-1 is what IAM asks for; it names a certificate here and protects nothing.
        certificate.fingerprint(SHA1()).hex(),  # noqa: S303
        certificate.subject.rfc4514_string(),
        certificate.not_valid_after_utc,
        is_only_one=len(chain) == 1,
    )
