"""Key files for the API server's tokens, as an admin makes them for a rotation."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass(frozen=True)
class SigningKey:
    """The two PEM files of a key."""

    private: Path
    public: Path

    @property
    def verifies(self) -> str:
        """The API server's flag to accept its tokens beside those of the other keys."""
        return f"--service-account-key-file={self.public}"

    @property
    def signs(self) -> str:
        """The API server's flag to sign with it; the last such flag counts."""
        return f"--service-account-signing-key-file={self.private}"


def new_signing_key(directory: Path) -> SigningKey:
    """Creates a P-256 key, the kind that the tests' API servers have."""
    key = ec.generate_private_key(ec.SECP256R1())
    pair = SigningKey(directory / "new.key", directory / "new.pub")
    pair.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return pair
