"""`trust-policy explain`: whether a ServiceAccount may assume the role, and which condition decides it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.trust_policy.explanation import Asked, print_explanation
from webhook.commands.trust_policy.flags import EXPLAIN_FLAGS
from webhook.commands.trust_policy.inputs import (
    account_problems,
    audience_problems,
    issuer_problems,
    read_bytes,
    read_policy_file,
    shown_name,
    standard_input_problems,
    subject_of,
)
from webhook.errors import SettingsError, UnusableInput
from webhook.issuer.token import Token, TokenError, read_token
from webhook.issuer.trust_policy.document import TrustPolicy
from webhook.issuer.trust_policy.evaluation import evaluate
from webhook.issuer.trust_policy.provider import ProviderArn, parse_provider_arn, without_scheme
from webhook.issuer.trust_policy.request import web_identity_request

_ABOUT: Final = (
    "Evaluates a trust policy as IAM does, for the token of a pod or of a ServiceAccount, and shows statement by "
    "statement which condition holds. What it cannot know (source IP, tags, an unknown key or operator) is "
    "undetermined, and named. FILE is as for 'trust-policy lint'. It reads the token, but does not verify it: "
    "'issuer verify' does that. "
    "Exit code: 0 if allowed; 1 if denied; 3 if undetermined; 2 for wrong usage, or a FILE that is no policy."
)
_CODES: Final = {"allowed": 0, "denied": 1, "undetermined": 3}
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
"""What STS accepts as the name of a session."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What the token says: the issuer, and the claims that IAM compares."""

    issuer: str
    claims: dict[str, tuple[str, ...]]
    expires: datetime | None = None


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(EXPLAIN_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("trust-policy explain FILE [flags]", _ABOUT, EXPLAIN_FLAGS))
        return 0
    identity = _checked(parsed)
    name, now = parsed.positionals[0], datetime.now(UTC)
    if identity is None:
        identity = _token_identity(parsed.values["token"])
    policy = read_policy_file(name)
    provider = _provider(parsed, policy, identity.issuer)
    session_name = parsed.values["role_session_name"] or None
    request = web_identity_request(provider, identity.claims, session_name=session_name, now=now)
    verdict = evaluate(policy, request)
    asked = Asked(shown_name(name), request.principal, request.action, identity.claims, identity.expires, now)
    print_explanation(verdict, asked, parsed, environ)
    return _CODES[verdict.outcome]


def _checked(parsed: Parsed) -> _Identity | None:
    """Returns the identity that the flags name, None if it is in a token. Raises SettingsError."""
    values, problems = parsed.values, parsed.problems
    identity = None
    if len(parsed.positionals) != 1:
        problems.append("name exactly one FILE, or '-' for standard input")
    problems += standard_input_problems([*parsed.positionals, values["token"]])
    problems += account_problems(values["account"], values["partition"])
    if values["role_session_name"] and not _SESSION_NAME.fullmatch(values["role_session_name"]):
        problems.append("--role-session-name: must be 2 to 64 letters, digits and characters of _+=,.@-")
    if bool(values["token"]) == bool(values["service_account"]):
        problems.append("set either --token or --service-account")
    elif values["token"]:
        ignored = [f"--{name}" for name in ("issuer", "audience") if name in parsed.given]
        problems += [f"{flag}: cannot be used with --token, which has its own" for flag in ignored]
    else:
        problems += issuer_problems(values["issuer"])
        problems += audience_problems(values["audience"])
        subject = subject_of("--service-account", values["service_account"], problems, patterns=False)
        identity = _Identity(values["issuer"], {"sub": (str(subject),), "aud": (values["audience"],)})
    if problems:
        raise SettingsError(problems)
    return identity


def _token_identity(name: str) -> _Identity:
    """Reads the token in a file. Raises UnusableInput."""
    try:
        token = read_token(read_bytes(name).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnusableInput(f"{shown_name(name)}: is not UTF-8, so it is no token") from error
    except TokenError as error:
        raise UnusableInput(f"{shown_name(name)}: {error}") from error
    if not token.iss:
        raise UnusableInput(f"{shown_name(name)}: the token has no iss, so it has no issuer")
    return _Identity(token.iss, _claims(token), token.exp)


def _claims(token: Token) -> dict[str, tuple[str, ...]]:
    """Returns the claims that IAM compares; a claim with other members than strings is as good as none."""
    claims = {"sub": (token.sub,) if token.sub else (), "aud": token.aud}
    for name in ("azp", "amr"):
        value = token.claims.get(name, ())
        values = value if isinstance(value, list) else (value,)
        if values and all(isinstance(each, str) for each in values):
            claims[name] = tuple(values)
    return claims


def _provider(parsed: Parsed, policy: TrustPolicy, issuer: str) -> ProviderArn:
    """Returns the OIDC provider of the issuer; the policy says in which account, unless flags do.

    STS looks for the provider in the role's account, and a token does not name that. Raises SettingsError.
    """
    path = without_scheme(issuer)
    values = parsed.values
    named = [
        provider
        for statement in policy.statements
        for principal in statement.principals
        if (provider := parse_provider_arn(principal.value.text)) is not None
    ]
    fitting = [provider for provider in named if provider.path == path] or named
    places = dict.fromkeys((provider.partition, provider.account) for provider in fitting)
    parts = policy.role_arn.split(":")
    if len(parts) == 6:
        places = {(parts[1], parts[4]): None}
    if values["account"]:
        partition = values["partition"] or next(iter(places), ("aws", ""))[0]
        return ProviderArn(partition, values["account"], path)
    if len(places) != 1:
        known = "no provider" if not places else "providers in several accounts"
        raise SettingsError([f"--account: the policy names {known}; set the role's account"])
    partition, account = next(iter(places))
    return ProviderArn(values["partition"] or partition, account, path)
