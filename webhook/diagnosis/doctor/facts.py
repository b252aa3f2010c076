"""What `doctor` has gathered. Every part may be unread, for a reason of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from webhook.admission.identity import Identity, NoIdentity, ServiceAccount
from webhook.admission.settings import Settings
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.own_values import UNKNOWN, OwnValues
from webhook.issuer.fetched import Fetched
from webhook.issuer.token import Token

Object: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How many endpoints of the Service are ready, and how many are not."""

    ready: int
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A pod of the webhook. `metrics` has its samples by name with labels; `version` is "" if unknown."""

    name: str
    is_ready: bool
    metrics: Read[Mapping[str, float]] = field(default_factory=Read)
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What the certificates' comparison found. `seen` says what was compared, `unseen` what could not be, and why.

    `findings` has a sentence for each fault; `remedy` says who mends the certificate.
    """

    findings: Sequence[str] = ()
    seen: Sequence[str] = ()
    unseen: Sequence[str] = ()
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """A right that the webhook needs, as an RBAC rule for people, and whether it has it."""

    rule: str
    is_granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """How the webhook is installed.

    `service` is "namespace/name", "" if the configuration names none. `configurations` are all
    MutatingWebhookConfigurations. `unread_flags` says why the flags of the running webhook are not known: `settings`
    are then the defaults. `lookup_seconds` is how long the webhook may wait for a ServiceAccount, 0 if that is not
    known. `holder` is the webhook's user in RBAC.
    """

    name: str
    configuration: Read[Object]
    configurations: Read[Sequence[Object]] = field(default_factory=Read)
    service: str = ""
    service_object: Read[Object] = field(default_factory=Read)
    endpoints: Read[Endpoints] = field(default_factory=Read)
    workload: str = ""
    workload_problems: Sequence[str] = ()
    replicas: Read[Sequence[Replica]] = field(default_factory=Read)
    certificate: Certificate = field(default_factory=Certificate)
    settings: Settings = field(default_factory=Settings)
    unread_flags: str = ""
    lookup_seconds: float = 0.0
    holder: str = ""
    rights: Read[Sequence[Right]] = field(default_factory=Read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The ServiceAccount `namespace`/`name`, and what the webhook would give its pods.

    `identity` is None if the account could not be read. `mapping_problem` says why mappings of roles are not known.
    `annotated_at` is when the role's annotation was last changed, if the cluster remembers that.
    """

    namespace: str
    name: str
    account: Read[ServiceAccount]
    identity: Identity | NoIdentity | None = None
    warnings: Sequence[str] = ()
    mapping_problem: str = ""
    annotated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """A pod that the API server was asked to create as a dry run.

    `pod` is None if there is none: `refusal` is then the API server's text, and `why` its kind: `right` if RBAC does
    not let us create pods, `webhook` if the call of a webhook failed, `denied` if our webhook denied the pod, `other`.
    `calls` is by how much the replicas' request counters rose; None if they could not be read.
    """

    what: str
    pod: Object | None = None
    warnings: Sequence[str] = ()
    why: Literal["", "right", "webhook", "denied", "other"] = ""
    refusal: str = ""
    calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The issuer and what it publishes. `origin` says where the issuer's URL comes from.

    `token` is unread if it could not be requested. `discovery` and `jwks` are None if there was nothing to fetch.
    """

    issuer: str = ""
    origin: str = ""
    token: Read[Token] = field(default_factory=Read)
    discovery: Fetched | None = None
    jwks: Fetched | None = None
    audience: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The role in IAM. `policy` is the text of its trust policy, from `source`; missing if there is no such role.

    `client_ids` are those of the issuer's provider, missing if there is no such provider; None if nobody asked.
    `providers` are the URLs of the account's providers, without `https://`.
    """

    source: str
    policy: Read[str] = field(default_factory=Read)
    client_ids: Read[Sequence[str]] | None = None
    providers: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """The answer of STS: `arn` of the session, or `code` and `message` of the refusal, or the `problem` with the call.

    `seconds` is for how long it was tried.
    """

    endpoint: str
    arn: str = ""
    code: str = ""
    message: str = ""
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPod:
    """A pod that exists; `owner` is "deployment/name" or "" and `file_token` the token in its file, where readable.

    `variables` has what a process in each container really has of the variables that SDKs read, where readable. The
    values of static keys are replaced.
    `own` is what its manifest sets, as far as we know it.
    """

    namespace: str
    name: str
    pod: Object
    owner: str = ""
    variables: Mapping[str, Read[Mapping[str, str]]] = field(default_factory=dict)
    file_token: Read[Token] = field(default_factory=Read)
    own: OwnValues = UNKNOWN
