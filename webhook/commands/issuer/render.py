"""`issuer render`: writes the discovery document and the JWKS of an issuer."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from webhook.cluster.access import AccessSettings
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.issuer.files import place, write_files
from webhook.commands.issuer.flags import RENDER_FLAGS
from webhook.commands.issuer.keys import keys_of_jwks, keys_of_pem, live_keys
from webhook.errors import SettingsError, UnusableInput
from webhook.issuer.discovery import (
    DISCOVERY_PATH,
    JWKS_PATH,
    algorithms_of_keys,
    discovery_document,
    jwks_uri,
)
from webhook.issuer.jwks import Jwk, jwks_document, kid_of
from webhook.issuer.rendered_issuer import issuer_notes, issuer_problems

_ABOUT: Final = (
    "Writes what AWS reads of an issuer, .well-known/openid-configuration and openid/v1/jwks, from public keys, from "
    "JWKS files or from a cluster. The same input gives the same bytes. "
    "Exit code: 0 if both documents are written; 1 if not, or access to the cluster fails; 2 for wrong usage or keys "
    "that cannot be used."
)
_PRINT: Final = "-"


@dataclass(frozen=True)
class _Rendered:
    """Both documents, and the keys in the order of the JWKS."""

    issuer: str
    keys: tuple[Jwk, ...]
    discovery: bytes
    jwks: bytes
    notes: tuple[str, ...]

    @property
    def documents(self) -> dict[str, bytes]:
        """The documents by their path; what the other names comes first."""
        return {JWKS_PATH: self.jwks, DISCOVERY_PATH: self.discovery}


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(RENDER_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("issuer render [flags]", _ABOUT, RENDER_FLAGS))
        return 0
    _check(parsed)
    rendered = _render(parsed)
    directory = parsed.values["output_dir"]
    if directory != _PRINT:
        write_files({Path(directory, path): document for path, document in rendered.documents.items()})
    if parsed.values["output"] == "json":
        print(json.dumps(_as_json(rendered, directory), indent=2))
    elif directory == _PRINT:
        print(rendered.discovery.decode() + rendered.jwks.decode(), end="")
        for note in rendered.notes:
            print(f"note: {note}", file=sys.stderr)
    else:
        print("\n".join(_text(rendered, directory)))
    return 0


def _check(parsed: Parsed) -> None:
    """Raises SettingsError if the flags do not say what to render."""
    values, problems = parsed.values, parsed.problems
    problems += [f"{word!r}: issuer render takes flags only" for word in parsed.positionals]
    if not values["issuer"]:
        problems.append("--issuer: set the URL of the issuer")
    else:
        problems += [f"--issuer: {problem}" for problem in issuer_problems(values["issuer"])]
    if not values["output_dir"]:
        problems.append("--output-dir: set a folder, or - to print the documents")
    has_files = bool(values["public_key"] or values["jwks"])
    if values["live"] == has_files:
        problems.append(
            "set either --live or files with --public-key and --jwks, not both"
            if has_files
            else "set the keys: --public-key, --jwks or --live"
        )
    if problems:
        raise SettingsError(problems)


def _render(parsed: Parsed) -> _Rendered:
    """Reads the keys and returns the documents. Raises WebhookError."""
    values, issuer = parsed.values, parsed.values["issuer"]
    notes = list(issuer_notes(issuer))
    sources: list[tuple[str, tuple[Jwk, ...]]] = []
    if values["live"]:
        live = asyncio.run(live_keys(AccessSettings(**parsed.of(("kubeconfig", "context", "kube_api")))))
        sources.append((f"the JWKS of {live.host}", live.keys))
        if live.issuer != issuer:
            notes.append(_other_issuer(live.issuer))
    sources += [(place(name), keys_of_pem(name)) for name in values["public_key"]]
    sources += [(place(name), keys_of_jwks(name)) for name in values["jwks"]]
    keys = _together(sources)
    return _Rendered(issuer, keys, discovery_document(issuer, keys), jwks_document(keys), tuple(notes))


def _other_issuer(live: str) -> str:
    if not live:
        return "the issuer of the API server could not be read, so it was not compared with --issuer"
    return (
        f"the API server's issuer is {live}: its tokens fit these documents only when its first "
        "--service-account-issuer is the URL of --issuer"
    )


def _together(sources: Sequence[tuple[str, tuple[Jwk, ...]]]) -> tuple[Jwk, ...]:
    """Returns the keys of all sources, each once, by kid. Raises UnusableInput."""
    found: dict[str, tuple[str, Jwk]] = {}
    for origin, keys in sources:
        if not keys:
            raise UnusableInput(f"{origin}: it has no key")
        for number, jwk in enumerate(keys):
            if jwk.unusable_reason or jwk.public_key is None:
                raise UnusableInput(f"{origin}: keys[{number}]: {jwk.unusable_reason}")
            other, known = found.setdefault(jwk.kid, (origin, jwk))
            if known.public_key != jwk.public_key or known.algorithms != jwk.algorithms:
                raise UnusableInput(f"{other} and {origin} have different keys with the kid {jwk.kid!r}")
    return tuple(found[kid][1] for kid in sorted(found))


def _text(rendered: _Rendered, directory: str) -> Iterator[str]:
    algorithms = ", ".join(algorithms_of_keys(rendered.keys))
    count = len(rendered.keys)
    yield f"{Path(directory, DISCOVERY_PATH)}: issuer {rendered.issuer}, {algorithms}"
    yield f"{Path(directory, JWKS_PATH)}: {count} {'key' if count == 1 else 'keys'}"
    for jwk in rendered.keys:
        kid = "" if _is_computed(jwk) else ", a kid that the signer chose"
        yield f"  {jwk.kid}  {_kind(jwk)}, {' '.join(jwk.algorithms)}{kid}"
    for note in rendered.notes:
        yield f"note: {note}"


def _as_json(rendered: _Rendered, directory: str) -> dict[str, Any]:
    """Returns the output for scripts; `files` is null if the documents are not written but in `documents`."""
    is_printed = directory == _PRINT
    return {
        "issuer": rendered.issuer,
        "jwksUri": jwks_uri(rendered.issuer),
        "algorithms": list(algorithms_of_keys(rendered.keys)),
        "keys": [
            {"kid": jwk.kid, "type": _kind(jwk), "algorithm": jwk.algorithms[0], "kidIsComputed": _is_computed(jwk)}
            for jwk in rendered.keys
        ],
        "files": None if is_printed else [str(Path(directory, path)) for path in rendered.documents],
        "documents": {path: json.loads(document) for path, document in rendered.documents.items()}
        if is_printed
        else None,
        "notes": list(rendered.notes),
    }


def _kind(jwk: Jwk) -> str:
    """Returns the type and size of a key: `RSA 2048`, `P-256`."""
    return f"RSA {jwk.public_key.key_size}" if isinstance(jwk.public_key, RSAPublicKey) else str(jwk.members["crv"])


def _is_computed(jwk: Jwk) -> bool:
    return jwk.public_key is not None and kid_of(jwk.public_key) == jwk.kid
