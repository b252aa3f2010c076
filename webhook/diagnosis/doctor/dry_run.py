"""A pod that the API server patched, or did not, in a dry run."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from webhook.admission.annotations import ENV_ROLE_ARN
from webhook.admission.credentials import environment
from webhook.admission.identity import Identity
from webhook.admission.injection import injection_of
from webhook.admission.pod import Container, Pod
from webhook.admission.settings import Settings
from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.facts import DryRun, Installation
from webhook.diagnosis.doctor.questions import DRY_RUN
from webhook.diagnosis.doctor.registration import later_webhooks, match_conditions
from webhook.diagnosis.doctor.step import Step

_REFUSALS: Final = {
    "right": "",
    "webhook": "do what the steps about the certificate and the endpoints say",
    "denied": "do what the message says",
    "other": "create the pod of an owner of yours: doctor pod or doctor deployment uses its template",
}

_LOGGED: Final = "'failed calling webhook'"


def dry_run_step(run: DryRun, identity: Identity, facts: Installation) -> Step:
    """Checks that the pod came back with the credentials of `identity` in each container."""
    if run.pod is None:
        return _refused(run)
    missing = missing_containers(run.pod, identity, facts.settings, are_flags_known=not facts.unread_flags)
    if not missing:
        return DRY_RUN.ok(f"{run.what}: every container has {_credential(identity)}")
    said = f"{run.what} came back without it in container {', '.join(missing)}"
    if run.warnings:
        return DRY_RUN.failed(f"{said}: {run.warnings[0]}", "do what the warning names")
    later = list(later_webhooks(facts.name, facts.configurations.value or ()))
    if run.calls:
        names = f" ({', '.join(later)})" if later else ""
        return DRY_RUN.failed(
            f"{said}, although the webhook was called: another webhook took it out again{names}",
            "let that webhook add to the containers instead of replacing them",
            sections.CHANGED_BY_ANOTHER,
        )
    conditions = match_conditions(facts)
    see = f"see whether matchConditions {', '.join(conditions)} are true for this pod; if so, " if conditions else ""
    if run.calls == 0:
        return DRY_RUN.failed(
            f"{said}: the API server did not call the webhook, or got no answer",
            f"{see}do what the first ✗ above says; if there was no answer, the API server's log has {_LOGGED}",
            sections.NOT_CALLED,
        )
    if facts.configuration.is_missing:
        return DRY_RUN.failed(
            f"{said}: nothing tells the API server to call the webhook", "do what the step about the configuration says"
        )
    suspects = f", or another webhook takes it out again ({', '.join(later)})" if later else ""
    return DRY_RUN.failed(
        f"{said}: the API server does not call the webhook, or gets no answer{suspects}",
        f"{see}do what the other ✗ say; if there was no answer, the API server's log has {_LOGGED}",
    )


def missing_containers(
    pod: Mapping[str, Any], identity: Identity, settings: Settings, *, are_flags_known: bool
) -> list[str]:
    """Returns the containers that lack the variables of `identity`.

    Unless the running webhook's flags are known, only the role counts: the token's path is a flag's.
    """
    read = msgspec.convert(pod, Pod)
    ours = injection_of(identity, settings, windows=read.is_windows, session_name=None).credentials
    if not are_flags_known and ENV_ROLE_ARN in ours:
        ours = {ENV_ROLE_ARN: ours[ENV_ROLE_ARN]}
    return [
        container.name
        for container in containers_of(read)
        if any((environment(container.env or ()).get(name)) != value for name, value in ours.items())
    ]


def containers_of(pod: Pod) -> list[Container]:
    """Returns all containers of a pod, init containers first."""
    return [*(pod.spec.initContainers or ()), *(pod.spec.containers or ())]


def _refused(run: DryRun) -> Step:
    if run.why == "right":
        return DRY_RUN.unknown(run.refusal)
    if run.why == "other":
        return DRY_RUN.unknown(f"the API server refused {run.what}: {run.refusal}", _REFUSALS["other"])
    anchor = sections.CALL_FAILED if run.why == "webhook" else sections.DENIED
    return DRY_RUN.failed(f"the API server refused {run.what}: {run.refusal}", _REFUSALS[run.why], anchor)


def _credential(identity: Identity) -> str:
    return identity.role_arn or "its container credentials"
