"""The chain from a ServiceAccount, or from a pod, to its role: gathers the facts of each step, and judges them."""

import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webhook.admission.identity import Identity
from webhook.cluster.access import AccessSettings
from webhook.cluster.client import KubernetesClient
from webhook.commands.doctor.gathering.account import namespace_of, read_account
from webhook.commands.doctor.gathering.assumption import Pace, assume
from webhook.commands.doctor.gathering.certificate import read_certificate
from webhook.commands.doctor.gathering.dry_run import dry_run, plain_pod
from webhook.commands.doctor.gathering.installation import Found
from webhook.commands.doctor.gathering.installation import read as read_installation
from webhook.commands.doctor.gathering.pod import Subject, subject_of
from webhook.commands.doctor.gathering.published import read_published, token_of
from webhook.commands.doctor.gathering.reader import Reader
from webhook.commands.doctor.gathering.role import role_of_aws
from webhook.commands.doctor.output import Diagnosis
from webhook.commands.doctor.target import Target
from webhook.commands.flags.parsing import Parsed
from webhook.diagnosis.doctor.account import account_step
from webhook.diagnosis.doctor.dry_run import dry_run_step
from webhook.diagnosis.doctor.facts import Account, Published, Role
from webhook.diagnosis.doctor.iam import (
    assume_step,
    audience_step,
    is_denied,
    provider_of,
    provider_step,
    trust_step,
)
from webhook.diagnosis.doctor.published import discovery_step, issuer_step, keys_step, token_step
from webhook.diagnosis.doctor.questions import DRY_RUN, POD_STEPS
from webhook.diagnosis.doctor.registration import called_step, configuration_step
from webhook.diagnosis.doctor.running_pod import pod_steps
from webhook.diagnosis.doctor.serving import certificate_step, endpoints_step
from webhook.diagnosis.doctor.step import Step
from webhook.diagnosis.doctor.symptoms import Symptom


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The question, as the flags say it; `now` is the time at which all facts are judged."""

    parsed: Parsed
    environ: Mapping[str, str]
    context: ssl.SSLContext
    instead: tuple[str, int] | None
    role: Role | None
    symptom: Symptom | None
    now: datetime
    pace: Pace | None = None

    @property
    def access(self) -> AccessSettings:
        """How to reach the cluster."""
        return AccessSettings(**self.parsed.of(("kubeconfig", "context", "kube_api")))

    @property
    def configuration(self) -> str:
        """The name of the MutatingWebhookConfiguration."""
        return str(self.parsed.values["webhook_configuration"])


async def examine_account(asked: Asked, target: Target) -> Diagnosis:
    """Examines the chain of a ServiceAccount. Raises ClusterError if the cluster cannot be reached."""
    async with KubernetesClient(asked.access) as client:
        reader = Reader(client)
        namespace = target.namespace or client.namespace or "default"
        steps, notes = await _chain(asked, reader, Subject(namespace=namespace, account=target.name))
    return Diagnosis(f"ServiceAccount {namespace}/{target.name}", asked.now, steps, asked.symptom, notes)


async def examine_pod(asked: Asked, target: Target) -> Diagnosis:
    """Examines the chain of a pod, or of the newest pod of a workload. Raises ClusterError, or WebhookError."""
    async with KubernetesClient(asked.access) as client:
        reader = Reader(client)
        subject = await subject_of(reader, target, target.namespace or client.namespace or "default")
        steps, notes = await _chain(asked, reader, subject)
    return Diagnosis(subject.title, asked.now, steps, asked.symptom, notes)


async def _chain(asked: Asked, reader: Reader, subject: Subject) -> tuple[list[Step], list[str]]:
    found = await read_installation(reader, asked.configuration, with_replicas=False)
    account = await read_account(reader, found, subject.namespace, subject.account, subject.annotations)
    identity = account.identity if isinstance(account.identity, Identity) else None
    namespace = await namespace_of(reader, subject.namespace)
    steps = [
        account_step(account, found.facts.settings, has_namespace=not namespace.is_missing),
        configuration_step(found.facts),
    ]
    steps += await _serving(asked, found)
    steps.append(called_step(found.facts, namespace, subject.namespace, subject.labels))
    steps.append(await _dry_run(reader, found, subject, account, identity))
    audience = identity.audience if identity is not None else found.facts.settings.token_audience
    published = await _published(asked, reader, account, audience)
    steps += _issuer(published, account, asked)
    steps += await _aws(asked, account, identity, published)
    if subject.running is not None:
        symptom = asked.symptom.step if asked.symptom is not None else ""
        if identity is not None:
            pod = subject.running
            steps += pod_steps(
                pod,
                identity,
                account,
                found.facts.settings,
                symptom=symptom,
                now=asked.now,
                are_flags_known=not found.facts.unread_flags,
            )
        else:
            steps += [question.skipped("it is not known what the pod should have") for question in POD_STEPS]
    steps.append(await _assume(asked, identity, published, {step.name: step for step in steps}))
    return steps, [found.facts.unread_flags] if found.facts.unread_flags else []


async def _serving(asked: Asked, found: Found) -> list[Step]:
    if found.service is None:
        return [certificate_step(found.facts), endpoints_step(found.facts)]
    certificate = await read_certificate(found.service, asked.parsed, asked.environ, found.pods, (), asked.now)
    facts = found.with_certificate(certificate)
    return [certificate_step(facts), endpoints_step(facts)]


async def _dry_run(reader: Reader, found: Found, subject: Subject, account: Account, identity: Identity | None) -> Step:
    if account.account.value is None:
        return DRY_RUN.skipped("there is no ServiceAccount" if account.account.is_missing else "it could not be read")
    if identity is None:
        return DRY_RUN.skipped("without a role, nothing would be injected")
    pod = subject.template or plain_pod(subject.account, subject.labels)
    what = "a pod of its template" if subject.template else "a plain pod"
    return dry_run_step(await dry_run(reader, found, subject.namespace, what, pod), identity, found.facts)


async def _published(asked: Asked, reader: Reader, account: Account, audience: str) -> Published:
    token = await token_of(asked.access, account.namespace, account.name, audience)
    given = str(asked.parsed.values["issuer"])
    return await read_published(reader, token, audience, given, asked.context, asked.instead)


def _issuer(published: Published, account: Account, asked: Asked) -> list[Step]:
    return [
        token_step(published, account.namespace, account.name, asked.now),
        issuer_step(published, asked.now),
        discovery_step(published, asked.now),
        keys_step(published, asked.now),
    ]


async def _aws(asked: Asked, account: Account, identity: Identity | None, published: Published) -> list[Step]:
    role_arn = identity.role_arn if identity is not None else ""
    provider = provider_of(role_arn, published.issuer)
    role = asked.role
    if asked.parsed.values["role_from_aws"] and role_arn:
        role = await role_of_aws(role_arn, provider, asked.environ)
    subject = f"system:serviceaccount:{account.namespace}:{account.name}"
    return [
        provider_step(role, provider),
        audience_step(role, published, provider),
        trust_step(role, role_arn, published.token.value, published, subject, asked.now),
    ]


async def _assume(asked: Asked, identity: Identity | None, published: Published, steps: Mapping[str, Step]) -> Step:
    if not asked.parsed.values["assume_role"]:
        return assume_step(None)
    if identity is None or not identity.role_arn:
        return assume_step(None, "there is no role")
    if published.token.value is None:
        return assume_step(None, "there is no token")
    patiently = not is_denied(steps)
    answer = await assume(
        identity.role_arn, published.token.value, asked.environ, patiently=patiently, say=_notice, pace=asked.pace
    )
    return assume_step(answer)


def _notice(text: str) -> None:
    print(f"pod-identity-webhook doctor: {text}", file=sys.stderr)
