"""The chart refuses values that the schema accepts but that cannot work, and names the wrong key."""

import re

import helm_python
import pytest

from tests.charts.rendering import Rendered, Values

MAPPINGS = "config.podIdentityWebhookMap.data"
ROLE = {"RoleARN": "arn:aws:iam::111122223333:role/reports"}


def _mappings(data: Values, *, enabled: bool = True) -> Values:
    return {"config": {"podIdentityWebhookMap": {"enabled": enabled, "data": data}}}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"config": {"ports": {"webhook": 9999}}}, "config.ports.webhook, config.ports.metrics: both are 9999"),
        ({"config": {"ports": {"metrics": 8443}}}, "config.ports.webhook, config.ports.metrics: both are 8443"),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
            "metrics.serviceMonitor.enabled, metrics.podMonitor.enabled: choose one",
        ),
        ({"nameOverride": "Mine"}, 'nameOverride: "Mine" is not a DNS label'),
        ({"nameOverride": "a.b"}, 'nameOverride: "a.b" is not a DNS label'),
        ({"fullnameOverride": "identity-"}, 'fullnameOverride: "identity-" is not a DNS label'),
        ({"fullnameOverride": "1st"}, 'fullnameOverride: "1st" cannot be the name of a Service'),
        (_mappings({"shop/reports": ROLE}, enabled=False), f"{MAPPINGS}: has no effect"),
        (_mappings({"shop/reports": ROLE, "reports": ROLE}), f'{MAPPINGS}: "reports" is not the namespace/name'),
        (_mappings({"config": {"shop/reports": ROLE}}), f'{MAPPINGS}: "config" is not the namespace/name'),
        (_mappings({"config": '{"reports": {}}'}), f'{MAPPINGS}.config: "reports" is not the namespace/name'),
        (_mappings({"config": "shop/reports: {}"}), f"{MAPPINGS}.config: not a JSON object of mappings: "),
    ],
)
def test_what_cannot_work_is_refused_by_its_key(values: Values, reason: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=re.escape(reason)):
        Rendered(values)


@pytest.mark.parametrize("release", ["1st", "a.b"])
def test_a_release_whose_name_no_service_can_have_needs_another_name(release: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=r"fullnameOverride: .* cannot be the name of a Service"):
        Rendered(release=release)

    assert Rendered({"fullnameOverride": "identity"}, release=release).one("Service")


@pytest.mark.parametrize("text", ["", "{}", "null", '{"shop/*": {}, "*/reports": {}}'])
def test_mappings_as_text_that_the_webhook_can_read_are_let_through(text: str) -> None:
    config_map = Rendered(_mappings({"config": text})).one("ConfigMap", "pod-identity-webhook")

    assert config_map["data"]["config"] == text


def test_the_network_policy_lets_certs_show_ask_in_the_pod() -> None:
    rendered = Rendered({"networkPolicy": {"enabled": True, "egress": [{"ports": [{"port": 80}]}]}})
    api_server, dns, ourselves, theirs = rendered.one("NetworkPolicy")["spec"]["egress"]

    assert api_server == {"ports": [{"port": 443}, {"port": 6443}]}
    assert dns == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    assert ourselves["ports"] == [{"port": 8443}]
    (to,) = ourselves["to"]
    assert to["podSelector"]["matchLabels"].items() <= rendered.pod["metadata"]["labels"].items()
    assert theirs == {"ports": [{"port": 80}]}
