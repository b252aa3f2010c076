"""The running webhook: its endpoints, its certificate, its version, its rights, and the age of what it knows."""

from typing import Final

from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.facts import Installation
from webhook.diagnosis.doctor.questions import CACHE, CERTIFICATE, ENDPOINTS, RIGHTS, VERSION
from webhook.diagnosis.doctor.step import Step

CACHE_SECONDS: Final = 150.0
"""How old the webhook's view may be: the API server says something at least once a minute."""

_AGE: Final = "pod_identity_webhook_cache_age_seconds"
_SYNCED: Final = "pod_identity_webhook_cache_synced"
# The default of --service-name and --webhook-configuration.
_USUAL_NAME: Final = "pod-identity-webhook"
_NO_SERVICE: Final = "it is not known which Service the webhook has"
_ANCHORS: Final = (
    ("expired", sections.EXPIRED_CERTIFICATE),
    ("not valid yet", sections.EXPIRED_CERTIFICATE),
    ("is not valid for", sections.OTHER_NAME),
)


def endpoints_step(facts: Installation) -> Step:
    """Checks that the Service has an endpoint that is ready."""
    if not facts.service:
        return ENDPOINTS.skipped(_NO_SERVICE)
    namespace, _, name = facts.service.partition("/")
    if facts.service_object.is_missing:
        anchor = sections.NO_SERVICE
        then = "install the chart again; if the webhook is to go, delete the MutatingWebhookConfiguration"
        return ENDPOINTS.failed(f"the Service {facts.service} does not exist", then, anchor)
    if facts.endpoints.problem:
        return ENDPOINTS.unknown(facts.endpoints.problem)
    found = facts.endpoints.value
    if found is not None and found.ready:
        waiting = f", and {found.waiting} not ready" if found.waiting else ""
        return ENDPOINTS.ok(f"{found.ready} ready{waiting}")
    foreign = next((text for text in facts.workload_problems if "selects" in text), "")
    if foreign:
        return ENDPOINTS.failed(foreign, f"kubectl -n {namespace} get service {name} -o yaml shows its selector")
    if found is not None and found.waiting:
        then = f"kubectl -n {namespace} describe pods, and look into their log"
        return ENDPOINTS.failed(f"none: {found.waiting} not ready", then)
    why = f"kubectl -n {namespace} describe deployments,replicasets says why there are none"
    then = f"kubectl -n {namespace} get deployments: if the webhook's is 0/0, scale it up; otherwise {why}"
    return ENDPOINTS.failed("none: there is no pod behind it", then)


def certificate_step(facts: Installation) -> Step:
    """Checks that the caBundle verifies the certificate that each replica serves, now and in the near future."""
    certificate = facts.certificate
    if not facts.service:
        return CERTIFICATE.skipped(_NO_SERVICE)
    if facts.service_object.is_missing:
        return CERTIFICATE.skipped(f"the Service {facts.service} does not exist")
    if certificate.findings:
        first = certificate.findings[0]
        show = _certs_show(facts)
        more = f" (and {len(certificate.findings) - 1} more: {show})" if len(certificate.findings) > 1 else ""
        anchor = next((anchor for word, anchor in _ANCHORS if word in first), "")
        then = certificate.remedy or f"pod-identity-webhook {show} says what belongs together"
        return CERTIFICATE.failed(first + more, then, anchor)
    unseen = "; ".join(certificate.unseen)
    if not certificate.seen:
        return CERTIFICATE.unknown(unseen or "no certificate could be seen", _in_pod(facts))
    seen = "; ".join(certificate.seen)
    if facts.configuration.value is None:
        return CERTIFICATE.unknown(f"{seen}; the caBundle could not be read")
    return CERTIFICATE.ok(seen + (f" (not seen: {unseen})" if unseen else ""))


def version_step(facts: Installation, version: str) -> Step:
    """Compares the replicas' versions with `version`, that of this command."""
    if facts.replicas.value is None:
        return VERSION.unknown(facts.replicas.problem or "there are no replicas")
    versions = sorted({replica.version for replica in facts.replicas.value if replica.version})
    if not versions:
        return VERSION.unknown(_unmeasured(facts))
    if versions != [version]:
        then = "install the version of the replicas here, or roll the Deployment out"
        return VERSION.failed(f"this command is {version}, the replicas are {', '.join(versions)}", then)
    return VERSION.ok(version)


def rights_step(facts: Installation) -> Step:
    """Checks the webhook's own rights."""
    if facts.rights.value is None:
        return RIGHTS.unknown(facts.rights.problem or "the webhook's ServiceAccount is not known")
    lacking = [right.rule for right in facts.rights.value if not right.is_granted]
    if lacking:
        return RIGHTS.failed(f"{facts.holder} lacks: {'; '.join(lacking)}", "add this rule, or run helm upgrade")
    return RIGHTS.ok(f"{facts.holder} has all {len(facts.rights.value)}")


def cache_step(facts: Installation) -> Step:
    """Checks that each replica has heard from the API server lately."""
    ages: dict[str, float] = {}
    waiting: list[str] = []
    for replica in facts.replicas.value or ():
        for name, value in (replica.metrics.value or {}).items():
            if name.startswith(_AGE):
                ages[replica.name] = max(ages.get(replica.name, 0.0), value)
            if name.startswith(_SYNCED) and not value:
                waiting.append(replica.name)
    if waiting:
        then = "its log says why it cannot list; usually a right is missing"
        return CACHE.failed(f"{waiting[0]} has not read all ServiceAccounts yet", then)
    if not ages:
        return CACHE.unknown(facts.replicas.problem or _unmeasured(facts))
    oldest = max(ages, key=lambda name: ages[name])
    if ages[oldest] > CACHE_SECONDS:
        then = "its log says why its watch does not go on"
        return CACHE.failed(f"{oldest} has heard nothing for {ages[oldest]:.0f} s", then)
    return CACHE.ok(f"the oldest is {ages[oldest]:.0f} s old")


def _unmeasured(facts: Installation) -> str:
    problems = [replica.metrics.problem for replica in facts.replicas.value or () if replica.metrics.problem]
    return problems[0] if problems else "no replica's metrics could be read"


def _certs_show(facts: Installation) -> str:
    """Returns the command that shows the certificates of this installation."""
    namespace, _, service = facts.service.partition("/")
    others = (("--service-name", service), ("--webhook-configuration", facts.name))
    flags = [f" {flag} {name}" for flag, name in others if name != _USUAL_NAME]
    return f"certs show -n {namespace}{''.join(flags)}"


def _in_pod(facts: Installation) -> str:
    """Returns a command that can connect to the webhook; its rights are not enough for other steps."""
    namespace, _, name = facts.service.partition("/")
    return f"kubectl -n {namespace} exec deploy/{name} -- pod-identity-webhook doctor" if name else ""
