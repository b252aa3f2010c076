"""What STS answers if it refuses: the HTTP status, its code, and the beginning of its message as AWS has it."""

from typing import Final


class Refusal(Exception):
    """One refusal: `status`, `code` and `message` are those of the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


_NO_KEY: Final = (
    "Couldn't retrieve verification key from your identity provider, "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)


def invalid_token(message: str) -> Refusal:
    return Refusal(400, "InvalidIdentityToken", message)


def invalid_parameter(message: str) -> Refusal:
    return Refusal(400, "ValidationError", f"1 validation error detected: {message}")


def no_provider(issuer: str) -> Refusal:
    return invalid_token(f"No OpenIDConnect provider found in your account for {issuer}")


def no_key() -> Refusal:
    """The issuer answered, but not with a key for this token."""
    return invalid_token(_NO_KEY)


def wrong_certificate() -> Refusal:
    """No CA that STS knows vouches for the certificate, and neither does a thumbprint."""
    return invalid_token("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint")


def unreachable() -> Refusal:
    """The issuer did not answer in time, or not at all; clients try again. AWS documents the code, but no text."""
    return Refusal(400, "IDPCommunicationError", "The identity provider could not be reached")


def denied() -> Refusal:
    """The trust policy says no, or there is no such role: STS does not tell which."""
    return Refusal(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
