"""Who makes the certificate of an installation, who renews it, and what to do instead of `certs rotate`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from webhook.commands.certs.serving import Serving

KindName = Literal["self-managed", "cert-manager", "existing-secret", "values", "files", "unknown"]

# cert-manager writes these annotations into the Secrets that it makes, and reads the last one.
# https://cert-manager.io/docs/reference/annotations/
_CERTIFICATE: Final = "cert-manager.io/certificate-name"
_ISSUER: Final = "cert-manager.io/issuer-name"
_ISSUER_KIND: Final = "cert-manager.io/issuer-kind"
_INJECT_FROM: Final = "cert-manager.io/inject-ca-from"
_REMADE: Final = "the webhook makes it again while it runs; otherwise its log says why not"


@dataclass(frozen=True)
class Kind:
    """Who makes the certificate.

    `source` is where it comes from, `renewer` who renews it, and `instead` what to do instead of `certs rotate` ("" if
    the webhook signs). `doubt` is why only the Secrets tell the kind; "" if the webhook's own flags do. `if_missing` is
    what to do if its Secret does not exist.
    """

    name: KindName
    source: str
    renewer: str
    instead: str = ""
    doubt: str = ""
    if_missing: str = "if it has another name, set --tls-secret; if there is none, --tls-secret=''"

    @property
    def is_external(self) -> bool:
        """Whether somebody other than the webhook makes the certificate."""
        return self.name not in {"self-managed", "unknown"}


@dataclass(frozen=True)
class Evidence:
    """What we know of an installation.

    `serving` is None if we could not learn the flags of `serve`, for the reason `doubt`. `hint` is the value of
    --certificate-kind. `has_own_keys` tells whether the shared Secret has the key of a CA of ours. `certificate_secret`
    is the name of the Secret with a certificate of others ("" if unknown), `annotations` are that Secret's (None if it
    does not exist or could not be read).
    """

    namespace: str
    shared_secret: str
    serving: Serving | None = None
    hint: str = "auto"
    has_own_keys: bool = False
    certificate_secret: str = ""
    annotations: Mapping[str, str] | None = None
    doubt: str = ""

    def of(self, name: str) -> str:
        """Returns the name of an object with its namespace."""
        return f"{self.namespace}/{name}"


def kind_of(evidence: Evidence) -> Kind:
    """Returns who makes the certificate. The flags of `serve` decide; without them, the hint, and then the Secrets."""
    serving, annotations = evidence.serving, evidence.annotations or {}
    doubt = "" if serving is not None or evidence.hint != "auto" else evidence.doubt
    is_own = serving.is_self_managed if serving is not None else evidence.hint == "self-managed"
    if is_own or (doubt and evidence.has_own_keys):
        source = f"CA and leaf in the Secret {evidence.of(evidence.shared_secret)}"
        remade = {} if doubt else {"if_missing": _REMADE}
        return Kind("self-managed", source, "the webhook", doubt=doubt, **remade)
    if _CERTIFICATE in annotations or evidence.hint == "cert-manager":
        return _of_cert_manager(evidence, annotations, doubt)
    if evidence.certificate_secret and evidence.hint == "values":
        return Kind(
            "values",
            f"Secret {evidence.of(evidence.certificate_secret)}, from the values of the chart",
            "you, with new values",
            "run helm upgrade with new pki.cert, pki.key and pki.caBundle",
            doubt,
            "run helm upgrade with the same values",
        )
    is_known = serving is not None or evidence.hint == "existing-secret" or evidence.annotations is not None
    if evidence.certificate_secret and is_known:
        return Kind(
            "existing-secret",
            f"Secret {evidence.of(evidence.certificate_secret)}",
            "you, in the Secret",
            f"put a new tls.crt, tls.key and ca.crt into the Secret {evidence.of(evidence.certificate_secret)};"
            " the webhook loads them within two minutes",
            doubt,
            "create it with tls.crt, tls.key and ca.crt; new pods wait for it",
        )
    if serving is not None:
        return Kind(
            "files",
            f"file {serving.certificate_file} in the pod",
            "whoever writes the file",
            f"replace {serving.certificate_file} and the file of --tls-key; the webhook loads them by itself",
        )
    return Kind("unknown", evidence.doubt, "unknown", doubt=doubt)


def bundle_writer(kind: Kind, serving: Serving | None, annotations: Mapping[str, str]) -> str:
    """Returns who writes the caBundle; "" if unknown. `annotations` are those of the MutatingWebhookConfiguration."""
    if serving.writes_bundle if serving is not None else kind.name == "self-managed":
        return "the webhook"
    if _INJECT_FROM in annotations:
        return f"cert-manager's cainjector (from Certificate {annotations[_INJECT_FROM]})"
    return "you" if serving is not None else ""


def _of_cert_manager(evidence: Evidence, annotations: Mapping[str, str], doubt: str) -> Kind:
    # The chart gives the Certificate and its Secret the same name.
    name = annotations.get(_CERTIFICATE, evidence.certificate_secret)
    issuer = f"{annotations.get(_ISSUER_KIND) or 'Issuer'} {annotations[_ISSUER]}" if _ISSUER in annotations else ""
    return Kind(
        "cert-manager",
        f"Certificate {evidence.of(name or 'unknown')}{', ' if issuer else ''}{issuer}",
        "cert-manager",
        f"run cmctl renew --namespace {evidence.namespace} {name or 'CERTIFICATE'}",
        doubt,
        f"cert-manager makes it; kubectl --namespace {evidence.namespace} describe certificate {name or 'CERTIFICATE'}"
        " shows what it waits for",
    )
