"""`certs issue`: writes a CA and a leaf to files, for admins who give the webhook its certificate in files."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from certs.errors import CertificateError, InvalidName
from certs.files import write_pair
from certs.issue import Names, Pair, issue_ca, issue_leaf, service_names
from certs.pem import is_issued_by
from certs.renewal import can_sign, ends_at
from certs.state import format_time
from webhook.commands.certs.cluster import name_problems
from webhook.commands.certs.facts import names_of
from webhook.commands.certs.flags import ISSUE_FLAGS
from webhook.commands.certs.output import ending
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.errors import SettingsError, WebhookError
from webhook.server.settings import MAX_LIFETIME

_ABOUT: Final = (
    "Writes ca.crt, ca.key, tls.crt and tls.key into DIR, and prints the caBundle. If DIR already has them, that CA "
    "signs a new leaf and the caBundle stays the same; the leaf keeps its names unless flags set others. Files that "
    "this command did not issue are not overwritten. "
    "Exit code: 0 if the files are written; 1 if not; 2 for wrong usage."
)
_COMMON_NAME: Final = "pod-identity-webhook CA"
_NAMING: Final = frozenset({"names", "namespace", "service_name"})


@dataclass(frozen=True)
class _Present:
    """The content of DIR: its CA, and the leaf that the CA signed, if any."""

    ca: Pair
    leaf: bytes | None


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(ISSUE_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("certs issue DIR [flags]", _ABOUT, ISSUE_FLAGS))
        return 0
    names = _checked(parsed)
    directory, now = Path(parsed.positionals[0]), datetime.now(UTC)
    present = None if parsed.values["force"] else _present(directory, now)
    try:
        if present is not None and present.leaf is not None and _NAMING.isdisjoint(parsed.given):
            names = Names.parse(names_of(present.leaf))
        ca = present.ca if present is not None else _new_ca(parsed, now)
        leaf = issue_leaf(ca, names, now, lifetime=timedelta(seconds=parsed.values["lifetime"]))
        write_pair(directory, ca.certificate, leaf, ca_private_key=None if present is not None else ca.private_key)
    except CertificateError as error:
        raise WebhookError(str(error)) from error
    show = _json if parsed.values["output"] == "json" else _text
    print(show(directory, ca.certificate, leaf.certificate, now, is_renewal=present is not None))
    return 0


def _checked(parsed: Parsed) -> Names:
    """Returns the names that the flags ask for. Raises SettingsError."""
    values, problems = parsed.values, [*parsed.problems, *name_problems(parsed)]
    if len(parsed.positionals) != 1:
        problems.append("set exactly one DIR")
    problems += [
        f"--{flag.name}: must be between 1s and 876000h"
        for flag in ISSUE_FLAGS
        if flag.kind == "duration" and not 1 <= values[flag.field] <= MAX_LIFETIME
    ]
    texts = [text for part in values["names"].split(",") if (text := part.strip())]
    names = None
    try:
        names = Names.parse(texts or service_names(values["service_name"], values["namespace"]))
    except InvalidName as error:
        problems.append(f"--names: {error}")
    if problems or names is None:
        raise SettingsError(problems)
    return names


def _new_ca(parsed: Parsed, now: datetime) -> Pair:
    return issue_ca(now, common_name=_COMMON_NAME, lifetime=timedelta(seconds=parsed.values["ca_lifetime"]))


def _present(directory: Path, now: datetime) -> _Present | None:
    """Returns the CA and leaf to renew, or None if DIR has none. Raises WebhookError if we must not overwrite files."""
    certificate, key = _read(directory / "ca.crt"), _read(directory / "ca.key")
    leaf, leaf_key = _read(directory / "tls.crt"), _read(directory / "tls.key")
    if certificate is None and key is None:
        if leaf is None and leaf_key is None:
            return None
        raise _refusal(directory, "has a tls.crt or tls.key that this command did not write: there is no CA")
    if certificate is None or key is None:
        there, missing = ("ca.key", "ca.crt") if certificate is None else ("ca.crt", "ca.key")
        raise _refusal(directory, f"has {there} but no {missing}, so its CA cannot sign")
    ca = Pair(certificate, key)
    if not can_sign(ca, now):
        raise _refusal(directory, "has a CA that cannot sign: ca.crt has expired, or ca.key does not belong to it")
    if leaf is not None and not is_issued_by(leaf, certificate):
        raise _refusal(directory, "has a tls.crt that its CA did not sign")
    return _Present(ca, leaf)


def _refusal(directory: Path, why: str) -> WebhookError:
    return WebhookError(f"{directory} {why}; choose another folder, or overwrite the files with --force")


def _read(path: Path) -> bytes | None:
    try:
        if path.is_fifo():
            # Reading a pipe could block forever.
            raise WebhookError(f"{path}: is a pipe")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise WebhookError(f"{path}: {error.strerror or error}") from error


def _text(directory: Path, ca: bytes, leaf: bytes, now: datetime, *, is_renewal: bool) -> str:
    lines = [
        f"{directory / 'tls.crt'}, {directory / 'tls.key'}: for {', '.join(names_of(leaf))}; {ending(leaf, now)}",
        f"{directory / 'ca.crt'}, {directory / 'ca.key'}: {'kept' if is_renewal else 'new'}; {ending(ca, now)}",
    ]
    if ends_at(leaf) == ends_at(ca):
        lines.append("The leaf expires together with its CA: --force makes a new CA.")
    lines += ["", f"caBundle: {_bundle(ca)}", ""]
    if is_renewal:
        lines.append("The caBundle is unchanged: give only tls.crt and tls.key to the webhook.")
    else:
        lines += [
            "Put this line into clientConfig of the webhook's entries in the MutatingWebhookConfiguration, and give",
            "tls.crt and tls.key to the webhook (--tls-cert, --tls-key). Keep ca.key away from both: the next run of",
            "this command signs the next leaf with it, and anybody who has it can impersonate the webhook.",
        ]
    return "\n".join(lines)


def _json(directory: Path, ca: bytes, leaf: bytes, _now: datetime, *, is_renewal: bool) -> str:
    document = {
        "files": {name: str(directory / name) for name in ("ca.crt", "ca.key", "tls.crt", "tls.key")},
        "names": list(names_of(leaf)),
        "ends": format_time(ends_at(leaf)),
        "caEnds": format_time(ends_at(ca)),
        "caIsNew": not is_renewal,
        "caBundle": _bundle(ca),
    }
    return json.dumps(document, indent=2)


def _bundle(ca: bytes) -> str:
    return b64encode(ca).decode("ascii")
