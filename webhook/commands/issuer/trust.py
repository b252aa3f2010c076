"""What verifies the servers of an issuer."""

import ssl

from webhook.errors import UnusableInput


def trust_of(ca_file: str) -> ssl.SSLContext:
    """Returns what verifies servers: the CA certificates of the file, or the system's. Raises UnusableInput."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) if not isinstance(error, ssl.SSLError) else None
        raise UnusableInput(f"--ca-file: {ca_file}: {said or 'it has no CA certificate in PEM'}") from error
    # Python 3.13 also refuses certificates that lack extensions of RFC 5280, which other clients do not need.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
