from base64 import b64decode, b64encode

import helm_python
import pytest

from tests.charts.matrix import (
    CA_INJECTOR,
    CERT_MANAGER,
    EXISTING_ISSUER,
    MATRIX,
    OWN_SECRET,
    OWN_SECRET_AND_CA,
    PEM,
    PEM_VALUES,
)
from tests.charts.rendering import Rendered, Values

FILES = ["--tls-cert=/etc/webhook/certs/tls.crt", "--tls-key=/etc/webhook/certs/tls.key"]
KINDS = [OWN_SECRET, OWN_SECRET_AND_CA, PEM_VALUES, CERT_MANAGER, EXISTING_ISSUER, CA_INJECTOR]


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_no_manifest_holds_the_ca_bundle_nor_the_data_of_our_secret(values: Values) -> None:
    rendered = Rendered(values)

    assert all(entry["clientConfig"].keys() == {"service"} for entry in rendered.entries.values())
    ours = rendered.one("Secret", rendered.one("Deployment")["metadata"]["name"])
    assert ours.keys() == {"apiVersion", "kind", "metadata", "type"}
    assert ours["type"] == "Opaque"


def test_self_managed_needs_no_files() -> None:
    rendered = Rendered()

    assert "volumes" not in rendered.pod["spec"]
    assert not [argument for argument in rendered.container["args"] if argument.startswith("--tls-c")]


@pytest.mark.parametrize("values", KINDS)
def test_files_are_served_and_their_ca_published(values: Values) -> None:
    rendered = Rendered(values)

    assert set(FILES) <= set(rendered.container["args"])
    # If cert-manager writes the caBundle, the webhook must not: each would undo the other's changes.
    assert ("--tls-ca=/etc/webhook/certs/ca.crt" in rendered.container["args"]) is (values is not CA_INJECTOR)
    assert rendered.container["volumeMounts"] == [
        {"name": "certificate", "mountPath": "/etc/webhook/certs", "readOnly": True}
    ]
    (volume,) = rendered.pod["spec"]["volumes"]
    paths = [
        item["path"] for source in volume["projected"]["sources"] for one in source.values() for item in one["items"]
    ]
    assert sorted(paths) == ["ca.crt", "tls.crt", "tls.key"]


@pytest.mark.parametrize(
    ("values", "kind", "secret"),
    [
        (OWN_SECRET, "existing-secret", "mine"),
        (OWN_SECRET_AND_CA, "existing-secret", "mine"),
        (PEM_VALUES, "values", "pod-identity-webhook-tls"),
        (CERT_MANAGER, "cert-manager", "pod-identity-webhook-tls"),
        ({}, None, None),
    ],
)
def test_variables_tell_the_certs_command_who_makes_the_certificate(
    values: Values, kind: str | None, secret: str | None
) -> None:
    variables = {one["name"]: one["value"] for one in Rendered(values).container["env"]}

    assert (variables.get("PIW_CERTIFICATE_KIND"), variables.get("PIW_CERTIFICATE_SECRET")) == (kind, secret)


@pytest.mark.parametrize("values", [{}, *KINDS])
def test_the_webhook_may_publish_with_all_kinds_unless_cainjector_does(values: Values) -> None:
    (rule,) = [rule for rule in Rendered(values).one("ClusterRole")["rules"] if "resourceNames" in rule]

    assert rule == {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "resourceNames": ["pod-identity-webhook"],
        "verbs": ["get"] if values is CA_INJECTOR else ["get", "list", "watch", "patch"],
    }


@pytest.mark.parametrize("text", [PEM, b64encode(PEM.encode()).decode(), b64encode(PEM.encode()).decode() + "\n"])
def test_pem_values_may_be_base64(text: str) -> None:
    secret = Rendered({"pki": {"cert": text, "key": text, "caBundle": text}}).one("Secret", "pod-identity-webhook-tls")

    assert secret["type"] == "kubernetes.io/tls"
    assert {key: b64decode(value).decode() for key, value in secret["data"].items()} == {
        "ca.crt": PEM,
        "tls.crt": PEM,
        "tls.key": PEM,
    }


def test_a_ca_beside_an_existing_secret_is_mounted_with_it() -> None:
    rendered = Rendered(OWN_SECRET_AND_CA)
    (volume,) = rendered.pod["spec"]["volumes"]

    assert volume["projected"]["sources"] == [
        {
            "secret": {
                "name": "mine",
                "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
            }
        },
        {"configMap": {"name": "pod-identity-webhook-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    assert b64decode(rendered.one("ConfigMap")["binaryData"]["ca.crt"]).decode() == PEM


def test_cert_manager_makes_a_ca_of_its_own() -> None:
    rendered = Rendered(CERT_MANAGER)
    certificate = rendered.one("Certificate", "pod-identity-webhook-tls")["spec"]
    ca = rendered.one("Certificate", "pod-identity-webhook-ca")["spec"]

    assert certificate["issuerRef"] == {
        "group": "cert-manager.io",
        "kind": "Issuer",
        "name": "pod-identity-webhook-ca",
    }
    assert "pod-identity-webhook.eks.svc" in certificate["dnsNames"]
    assert (certificate["secretName"], certificate["duration"]) == ("pod-identity-webhook-tls", "2160h")
    assert rendered.one("Issuer", "pod-identity-webhook-ca")["spec"] == {"ca": {"secretName": ca["secretName"]}}
    assert ca["isCA"]
    assert rendered.one("Issuer", ca["issuerRef"]["name"])["spec"] == {"selfSigned": {}}


def test_an_existing_issuer_takes_its_place() -> None:
    rendered = Rendered(EXISTING_ISSUER)

    assert rendered.all("Issuer") == []
    assert rendered.one("Certificate")["spec"]["issuerRef"] == {
        "group": "cert-manager.io",
        "kind": "ClusterIssuer",
        "name": "company",
    }


@pytest.mark.parametrize(("values", "expected"), [(CERT_MANAGER, None), (CA_INJECTOR, "eks/pod-identity-webhook-tls")])
def test_the_cainjector_writes_only_where_it_is_told_to(values: Values, expected: str | None) -> None:
    annotations = Rendered(values).one("MutatingWebhookConfiguration")["metadata"].get("annotations", {})

    assert annotations.get("cert-manager.io/inject-ca-from") == expected


@pytest.mark.parametrize(
    ("pki", "reason"),
    [
        ({"cert": PEM}, "set all three of cert, key and caBundle"),
        ({"cert": PEM, "key": PEM}, "set all three of cert, key and caBundle"),
        ({"caBundle": PEM}, "there is no certificate for it to verify"),
        ({"existingSecret": "a", "certManager": {"enabled": True}}, "set only one of"),
        ({"existingSecret": "a", "cert": PEM, "key": PEM, "caBundle": PEM}, "set only one of"),
        ({"certManager": {"enabled": True, "existingIssuer": {"enabled": True}}}, "set the name of the issuer"),
        ({"cert": "tls.crt", "key": PEM, "caBundle": PEM}, "pki.cert: neither PEM"),
        ({"cert": PEM, "key": "TUE9PQ==", "caBundle": PEM}, "pki.key: neither PEM"),
        ({"cert": PEM, "key": PEM, "caBundle": "c"}, "pki.caBundle: neither PEM"),
        ({"existingSecret": "mine", "caBundle": "TUE9PQ=="}, "pki.caBundle: neither PEM"),
    ],
)
def test_what_makes_no_sense_together_is_refused(pki: Values, reason: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=reason):
        Rendered({"pki": pki})
