"""Which step an error message points to. The words are those of the AWS SDKs, of STS and of the API server."""

import re
from dataclasses import dataclass
from typing import Final

from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.questions import (
    AUDIENCE,
    CERTIFICATE,
    DISCOVERY,
    DRY_RUN,
    ENDPOINTS,
    KEYS,
    POD_TOKEN,
    PROVIDER,
    REGION,
    TOKEN,
    TRUST,
    VARIABLES,
    VOLUME,
)
from webhook.diagnosis.doctor.step import Question


@dataclass(frozen=True, slots=True)
class Symptom:
    """An error's meaning: the `step` that it points to, and the section of the page about it."""

    step: str
    title: str
    anchor: str
    usual_cause: str


def _row(words: str, question: Question, cause: str, anchor: str = "") -> tuple[re.Pattern[str], Symptom]:
    symptom = Symptom(question.name, question.title, anchor or question.anchor, cause)
    return re.compile(words, re.IGNORECASE | re.DOTALL), symptom


_ROWS: Final = (
    _row("No OpenIDConnect provider found", PROVIDER, "there is no provider, or its URL differs from the issuer"),
    _row(
        "retrieve verification key", KEYS, "the keys cannot be read by everyone, are empty, or lack the one that signs"
    ),
    _row("Incorrect token audience", AUDIENCE, "the provider lacks the audience, or the annotation asks for another"),
    _row(
        "IDPCommunicationError|identity provider could not be reached",
        DISCOVERY,
        "AWS cannot reach the issuer's host within 5 s",
        sections.ISSUER_UNREACHABLE,
    ),
    _row(
        "ExpiredToken|Token expired|token is expired",
        POD_TOKEN,
        "the SDK is too old to read the file again, or a clock is wrong",
    ),
    _row(
        "AccessDenied.*AssumeRoleWithWebIdentity|not authorized to perform:? sts:AssumeRoleWithWebIdentity",
        TRUST,
        "the trust policy does not allow this subject, audience or provider",
    ),
    _row(
        "specify a region|MissingRegion",
        REGION,
        "no region variable: boto3 and the AWS CLI 1 read AWS_DEFAULT_REGION",
    ),
    _row(
        "(No such file or directory|ENOENT|no such file).*token|token.*(no such file|ENOENT)|WebIdentityTokenFile",
        VOLUME,
        "the token's volume is missing: variables were copied by hand, or Kubernetes is too old",
    ),
    _row("MountVolume.SetUp failed", TOKEN, "kubelet got no token from the API server"),
    _row(
        "Unable to locate credentials|NoCredentials|NoCredentialProviders|could not load credentials",
        VARIABLES,
        "the pod was not injected: it is older than the annotation, the webhook was away, or something is left out",
        sections.NO_CREDENTIALS,
    ),
    _row(
        r"assumed-role/[^\s/\"]+/i-[0-9a-f]+|node'?s role|instance role",
        VARIABLES,
        "the pod was not injected, and the node's metadata service answered; or the SDK is too old",
        sections.NODES_ROLE,
    ),
    _row(
        "x509: certificate has expired",
        CERTIFICATE,
        "the webhook's certificate was not renewed",
        sections.EXPIRED_CERTIFICATE,
    ),
    _row(
        "x509: certificate is valid for",
        CERTIFICATE,
        "the certificate was issued for another name",
        sections.OTHER_NAME,
    ),
    _row("x509:|unknown authority", CERTIFICATE, "the caBundle lacks the CA of the webhook's certificate"),
    _row("no endpoints available", ENDPOINTS, "no replica is ready"),
    _row("connection refused", ENDPOINTS, "no replica is ready", sections.REFUSED_CONNECTION),
    _row("service .* not found", ENDPOINTS, "the Service is gone", sections.NO_SERVICE),
    _row("context deadline exceeded", ENDPOINTS, "the webhook did not answer in time", sections.NO_ANSWER_IN_TIME),
    _row(r"\bEOF\b", ENDPOINTS, "something closed the connection without an answer", sections.CLOSED_CONNECTION),
    _row("denied the request", DRY_RUN, "the pod requires a role, and would have none", sections.DENIED),
    _row(
        "failed calling webhook|failed to call webhook",
        ENDPOINTS,
        "the API server got no answer from the webhook",
        sections.CALL_FAILED,
    ),
)


def symptom_of(text: str) -> Symptom | None:
    """Returns what an error message points to; None if it is none that we know."""
    return next((symptom for words, symptom in _ROWS if words.search(text[:20_000])), None)
