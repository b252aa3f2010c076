"""`certs rotate`: asks the running webhook for a new leaf or a new CA, with an annotation on its Secret."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from certs.issue import Pair
from certs.renewal import issued_at, takes_effect_at
from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER, State, format_time, read_state
from certs.stores import StoredSecret
from webhook.cluster.client import KubernetesClient
from webhook.cluster.resource import Resource
from webhook.commands.certs.cluster import access_of, name_problems
from webhook.commands.certs.facts import has_own_keys
from webhook.commands.certs.flags import ROTATE_FLAGS
from webhook.commands.certs.installation import Installation, pod_of, read_installation, use_names_of
from webhook.commands.certs.kind import Kind
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.errors import SettingsError, WebhookError

_ABOUT: Final = (
    "Asks the webhook for a new leaf, or with --ca for a new CA and then a new leaf, with an annotation on its "
    "Secret. The replicas then do the rest without an interruption. If others make the certificate, it changes nothing "
    "and says how to renew it there. "
    "Exit code: 0 if the rotation is requested; 1 if the webhook does not sign, there is no such Secret, or access to "
    "the cluster fails; 2 for wrong usage."
)
_LEAF_COMES: Final = "A replica signs a new leaf with the current CA now, and all replicas serve it."
_CA_COMES: Final = (
    "A replica makes a new CA now and adds it to the caBundle. After --ca-settle (6 minutes by default) the new CA "
    "signs a new leaf; the old CA stays trusted until its last leaf has expired."
)
_TWICE: Final = "There is already a next CA: it takes over first, and then one more new CA."


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(ROTATE_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("certs rotate [flags]", _ABOUT, ROTATE_FLAGS))
        return 0
    parsed.problems += [f"{word!r}: certs rotate takes flags only" for word in parsed.positionals]
    parsed.problems += name_problems(parsed)
    if not parsed.values["tls_secret"]:
        parsed.problems.append("--tls-secret: must not be empty")
    if parsed.problems:
        raise SettingsError(parsed.problems)
    asyncio.run(_rotate(parsed, environ))
    return 0


async def _rotate(parsed: Parsed, environ: Mapping[str, str]) -> None:
    access = access_of(parsed)
    pod = pod_of(access, environ)
    use_names_of(pod, parsed)
    async with KubernetesClient(access) as client:
        read = await read_installation(client, parsed, pod)
        stored = _stored(parsed, read)
        state, _ = read_state(stored.data, stored.annotations)
        annotation = ROTATE_CA_AFTER if parsed.values["ca"] else ROTATE_LEAF_AFTER
        pairs = (state.ca, state.next_ca) if parsed.values["ca"] else (state.leaf,)
        after = format_time(_after(pairs, datetime.now(UTC)))
        resource = Resource("secrets", parsed.values["namespace"], parsed.values["tls_secret"])
        await client.write("patch", resource, {"metadata": {"annotations": {annotation: after}}})
    _say(parsed, read.kind, state, annotation, after)


def _stored(parsed: Parsed, read: Installation) -> StoredSecret:
    """Returns the Secret to annotate. Raises WebhookError if the webhook does not sign with it."""
    name = f"{parsed.values['namespace']}/{parsed.values['tls_secret']}"
    if read.kind.is_external:
        first = " (for a new CA, renew that of its issuer first)" if parsed.values["ca"] else ""
        raise WebhookError(
            f"the webhook does not sign this certificate, so it cannot rotate it: its kind is {read.kind.name}"
            f" ({read.kind.source}); {read.kind.instead}{first if read.kind.name == 'cert-manager' else ''}"
        )
    if reason := read.unread.get("shared"):
        raise WebhookError(reason)
    if read.shared is None:
        is_known = read.kind.name == "self-managed" and not read.kind.doubt
        then = read.kind.if_missing if is_known else "set --namespace and --tls-secret"
        raise WebhookError(f"there is no Secret {name}{': ' if is_known else '; '}{then}")
    if not has_own_keys(read.shared.data):
        doubt = f" ({read.kind.doubt})" if read.kind.doubt else ""
        raise WebhookError(f"the Secret {name} has no CA or leaf of the webhook: there is nothing to rotate{doubt}")
    return read.shared


def _after(pairs: Sequence[Pair | None], now: datetime) -> datetime:
    """Returns the time for the annotation that makes all of `pairs` due now, whatever this machine's clock says.

    A pair is due if it was issued before the time in the annotation, which has whole seconds. So we derive the time
    from the newest pair: one second later, it is certainly after that pair.
    """
    issued = [issued_at(pair) for pair in pairs if pair is not None]
    return max(issued) + timedelta(seconds=1) if issued else takes_effect_at(now)


def _say(parsed: Parsed, kind: Kind, state: State, annotation: str, after: str) -> None:
    print(f"Secret {parsed.values['namespace']}/{parsed.values['tls_secret']}: {annotation}={after}")
    print(_CA_COMES if parsed.values["ca"] else _LEAF_COMES)
    if parsed.values["ca"] and state.next_ca is not None:
        print(_TWICE)
    if kind.doubt:
        print(f"This holds only if the webhook makes its own certificate, which its Secret suggests: {kind.doubt}")
    flags = [f"--{flag.name}={parsed.values[flag.field]}" for flag in ROTATE_FLAGS if flag.field in parsed.given]
    words = ["pod-identity-webhook", "certs", "show", *(flag for flag in flags if not flag.startswith("--ca="))]
    print(f"Watch it: {shlex.join(words)}")
