"""A pod that exists: whether an AWS SDK in it would use the role, and finds the token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from webhook.admission.annotations import (
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_URI,
    ENV_DEFAULT_REGION,
    ENV_REGION,
    ENV_ROLE_ARN,
    ENV_TOKEN_FILE,
    ONLY_CONTAINERS,
    SKIP_CONTAINERS,
)
from webhook.admission.credentials import Found, environment, found
from webhook.admission.identity import Identity, own_annotations
from webhook.admission.injection import Injection, injection_of
from webhook.admission.mounts import Mounts
from webhook.admission.pod import Container, Pod
from webhook.admission.settings import Settings
from webhook.admission.skipped_containers import skipping
from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.dry_run import containers_of
from webhook.diagnosis.doctor.facts import Account, Object, RunningPod
from webhook.diagnosis.doctor.questions import MOUNT, POD_TOKEN, REGION, VARIABLES, VOLUME
from webhook.diagnosis.doctor.step import Step
from webhook.issuer.token_requirements import GRACE

_UNKNOWN_FLAGS: Final = "whether a new pod would get another is not known without the flags of the running webhook"
_IDENTITY: Final = (
    ENV_ROLE_ARN,
    ENV_TOKEN_FILE,
    ENV_CONTAINER_CREDENTIALS_URI,
    ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One container, its variables, and the credentials that an SDK finds in it.

    `unseen` says why variables of `envFrom` are not known, "" if they are or there are none.
    """

    container: Container
    environ: Mapping[str, str | None]
    unseen: str
    mounts: Mounts
    found: Found


def pod_steps(
    facts: RunningPod,
    identity: Identity,
    account: Account,
    settings: Settings,
    *,
    symptom: str,
    now: datetime,
    are_flags_known: bool = True,
) -> list[Step]:
    """Returns the steps about a running pod.

    `symptom` is the name of the step that an error of the pod points to. `are_flags_known`: `settings` are those of the
    running webhook.
    """
    pod = msgspec.convert(facts.pod, Pod)
    injection = injection_of(identity, settings, windows=pod.is_windows, session_name=None)
    seen = [_see(container, injection, facts) for container in containers_of(pod)]
    left_out = _left_out(pod, account, settings)
    return [
        _variables(facts, seen, left_out, injection, account, is_symptom=symptom == VARIABLES.name),
        _volume(facts, pod, injection, are_flags_known=are_flags_known),
        _mount(facts, seen, injection, are_flags_known=are_flags_known),
        _region(seen, is_symptom=symptom == REGION.name),
        _token(facts, now),
    ]


def recreate(facts: RunningPod) -> str:
    """Returns the command that replaces the pod."""
    if facts.owner:
        return f"kubectl -n {facts.namespace} rollout restart {facts.owner}"
    delete = f"kubectl -n {facts.namespace} delete pod {facts.name}"
    if (facts.pod.get("metadata") or {}).get("ownerReferences"):
        return f"delete the pod, so that its owner creates it again: {delete}"
    return f"delete the pod, and create it again from its manifest: {delete}"


def _see(container: Container, injection: Injection, facts: RunningPod) -> _Seen:
    environ: Mapping[str, str | None] = environment(container.env or ())
    read = facts.variables.get(container.name)
    unseen = ""
    if read is not None and read.value is not None:
        environ = read.value
    elif container.name in _with_other_sources(facts.pod):
        unseen = read.problem if read is not None else "it has ended"
    mounts = Mounts(container.volumeMounts or (), injection.volume_name, injection.place)
    return _Seen(container, environ, unseen, mounts, found(environ, injection.credentials, mounts.have))


def _with_other_sources(pod: Object) -> frozenset[str]:
    """Returns the containers with variables from ConfigMaps and Secrets as a whole."""
    containers = (pod.get("spec") or {}).get("containers") or []
    return frozenset(str(container.get("name")) for container in containers if container.get("envFrom"))


def _left_out(pod: Pod, account: Account, settings: Settings) -> frozenset[str]:
    """Returns the containers that annotations leave out."""
    of_pod = own_annotations(pod.meta.annotations, settings)
    of_account = account.account.value.annotations if account.account.value is not None else {}
    is_skipped = skipping(of_pod, of_account)
    if is_skipped is None:
        return frozenset()
    return frozenset(container.name for container in containers_of(pod) if is_skipped(container.name))


def _variables(
    facts: RunningPod,
    seen: Sequence[_Seen],
    left_out: frozenset[str],
    injection: Injection,
    account: Account,
    *,
    is_symptom: bool,
) -> Step:
    for one in seen:
        name = one.container.name
        if name in left_out:
            continue
        if one.found.whose == "others":
            return _others(one)
        if one.found.whose == "own":
            role, wanted = one.environ.get(ENV_ROLE_ARN), injection.credentials.get(ENV_ROLE_ARN)
            if role != wanted and ENV_ROLE_ARN in facts.own.variables.get(name, ()):
                said = f"container {name} has {role} from its manifest, so the webhook does not add {wanted}"
                return VARIABLES.failed(said, _take_out(one), sections.OWN_CREDENTIALS)
            if role != wanted:
                return VARIABLES.failed(f"container {name} has {role}; a new pod would get {wanted}", recreate(facts))
        if one.found.whose == "none" and one.found.why:
            # The webhook adds all variables or none: these are the manifest's, and a new pod would have them too.
            return VARIABLES.failed(f"container {name}: {one.found.why}", _take_out(one), sections.OWN_CREDENTIALS)
        if one.found.whose == "none":
            neither = f"neither {' nor '.join(injection.credentials)}"
            return VARIABLES.failed(f"container {name} has {neither}: {_age(facts, account)}", recreate(facts))
    if left_out and (is_symptom or len(left_out) == len(seen)):
        found_text = f"container {', '.join(sorted(left_out))}: left out by {SKIP_CONTAINERS} or {ONLY_CONTAINERS}"
        return VARIABLES.failed(found_text, "change that annotation, and create the pod again")
    unseen = next((one for one in seen if one.unseen and one.container.name not in left_out), None)
    if unseen is not None:
        return VARIABLES.unknown(f"what envFrom sets in container {unseen.container.name}: {unseen.unseen}")
    others = f"; left out by annotation: {', '.join(sorted(left_out))}" if left_out else ""
    return VARIABLES.ok(
        f"container {', '.join(s.container.name for s in seen if s.container.name not in left_out)}{others}"
    )


def _others(one: _Seen) -> Step:
    """Returns the failure of a container with credentials that go before the role."""
    why = one.found.why
    is_listed = any(variable.name == why for variable in one.container.env or ())
    source = "" if is_listed else " (from envFrom or the image)"
    return VARIABLES.failed(
        f"container {one.container.name}: {why}{source} goes before the role",
        f"remove {why} from {'the container' if is_listed else 'what envFrom names, or from the image'}",
        sections.OWN_CREDENTIALS,
    )


def _take_out(one: _Seen) -> str:
    names = [name for name in _IDENTITY if name in one.environ]
    return f"take {' and '.join(names)} out of the pod's manifest, and create the pod again"


def _age(facts: RunningPod, account: Account) -> str:
    """Returns why a pod was not injected, as far as times tell."""
    created = str((facts.pod.get("metadata") or {}).get("creationTimestamp", ""))
    changed = account.annotated_at
    if changed is not None and created and created < f"{changed:%Y-%m-%dT%H:%M:%SZ}":
        return f"the pod is of {created}, the role's annotation of {changed:%Y-%m-%dT%H:%M:%SZ}"
    return f"the pod is of {created}: it is older than the role, or the webhook was not asked then, or did not answer"


def _volume(facts: RunningPod, pod: Pod, injection: Injection, *, are_flags_known: bool) -> Step:
    volume = next((one for one in pod.spec.volumes or () if one.name == injection.volume_name), None)
    if volume is None:
        return VOLUME.failed(f"there is no volume {injection.volume_name}", recreate(facts))
    token = volume.token_at(injection.token_path)
    if token is None:
        return VOLUME.failed(
            f"the volume {volume.name} has no token at {injection.token_path}", "rename the pod's own volume"
        )
    if token.audience != injection.audience:
        if not are_flags_known:
            return VOLUME.unknown(f"its token is for {token.audience}: {_UNKNOWN_FLAGS}")
        return VOLUME.failed(
            f"its token is for {token.audience}; a new pod would get {injection.audience}", recreate(facts),
            sections.WRONG_AUDIENCE,
        )  # fmt: skip
    return VOLUME.ok(f"{volume.name}, audience {token.audience}")


def _mount(facts: RunningPod, seen: Sequence[_Seen], injection: Injection, *, are_flags_known: bool) -> Step:
    using = [one for one in seen if one.found.whose in ("ours", "own")]
    if not using:
        return MOUNT.skipped("no container uses the role")
    blind = [one.container.name for one in using if one.mounts.ours != "here" and one.mounts.same is None]
    if blind:
        said = f"container {', '.join(blind)} has no mount at {injection.mount_path}"
        return MOUNT.failed(said, recreate(facts)) if are_flags_known else MOUNT.unknown(f"{said}: {_UNKNOWN_FLAGS}")
    return MOUNT.ok(injection.mount_path)


def _region(seen: Sequence[_Seen], *, is_symptom: bool) -> Step:
    lacking = [one.container.name for one in seen if one.environ.get(ENV_DEFAULT_REGION, "") == ""]
    if not lacking:
        return REGION.ok(ENV_DEFAULT_REGION)
    only_new = [one.container.name for one in seen if one.environ.get(ENV_REGION) and one.container.name in lacking]
    said = f"container {', '.join(lacking)} has no {ENV_DEFAULT_REGION}"
    if only_new:
        said += f", only {ENV_REGION}, which boto3 and the AWS CLI 1 ignore"
    then = f"set config.defaultAwsRegion of the chart and create the pod again, or set {ENV_DEFAULT_REGION} in the pod"
    if is_symptom:
        return REGION.failed(said, then)
    return REGION.skipped(f"{said}; the program may have one of its own")


def _token(facts: RunningPod, now: datetime) -> Step:
    token = facts.file_token.value
    if token is None:
        return POD_TOKEN.unknown(facts.file_token.problem or "it was not read")
    if token.exp is not None and now >= token.exp + GRACE:
        return POD_TOKEN.failed(
            f"it expired at {token.exp:%Y-%m-%dT%H:%M:%SZ}", "look into kubelet's log on the node, and at its clock",
        )  # fmt: skip
    age = f"{(now - token.iat).total_seconds() / 60:.0f} minutes old, " if token.iat is not None else ""
    return POD_TOKEN.ok(f"{age}until {token.exp:%Y-%m-%dT%H:%M:%SZ}" if token.exp is not None else f"{age}no exp")
