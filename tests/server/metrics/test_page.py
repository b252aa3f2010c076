"""The metrics page after a known sequence of requests."""

import platform
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.reviews import GOOD, JSON, encoded, review, review_of
from tests.server.webhook_process import WebhookProcess, serving
from webhook import __version__

GOLDEN = Path(__file__).with_name("page.txt")
# The values that differ between runs: times, connections that are still closing, and versions.
MASKED = re.compile(
    r"((?:_sum|webhook_connections|_timestamp_seconds|pause_seconds|_seconds_bucket|latencies_bucket)(?:\{.*\})?)"
    r" [0-9.e+-]+$",
    re.MULTILINE,
)


def page(webhook: WebhookProcess) -> str:
    return webhook.get("/metrics").text


def masked(text: str) -> str:
    for version in (__version__, platform.python_version()):
        text = text.replace(f'version="{version}"', 'version="…"')
    return MASKED.sub(r"\1 …", text)


def test_the_page_after_a_known_sequence_of_requests_equals_the_golden_file(tmp_path: Path) -> None:
    identities = tmp_path / "identities.json"
    identities.write_text('{"identities": [{"namespace": "ci", "serviceAccount": "eks"}]}')
    (tmp_path / "manifests.yaml").write_text(
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: builder, namespace: ci, "
        "annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/builder'}}}\n---\n"
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: eks, namespace: ci}}\n---\n"
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: plain, namespace: ci}}\n"
    )
    update = review()
    update["request"]["operation"] = "UPDATE"
    with (
        serving(tmp_path, f"--watch-container-credentials-config={identities}") as webhook,
        webhook.client() as client,
    ):
        for body in (GOOD, GOOD, *map(encoded, (review_of("eks"), review_of("plain"), review_of("absent"), update))):
            assert client.post("/mutate?timeout=10s", content=body, headers=JSON).status_code == 200
        assert client.post("/mutate", content=b"", headers=JSON).status_code == 400
        assert client.post("/mutate", content=GOOD).status_code == 415
        assert client.get("/mutate").status_code == 405
        for method in ("PROPFIND", "MKCOL", "NOTIFY"):
            assert client.request(method, "/mutate").status_code == 405
        # The metrics do not count these.
        assert client.request("MADE-UP", "/mutate").status_code == 400
        assert client.get("/elsewhere").status_code == 404
        assert client.get("/healthz").status_code == 200
        answer = webhook.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert masked(answer.text) == GOLDEN.read_text()


def test_the_go_webhooks_names_types_and_buckets_are_kept_and_a_parser_agrees(webhook: WebhookProcess) -> None:
    text = page(webhook)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    expected = {
        "http_request_count": ("counter", {"verb", "path", "code"}),
        "http_request_latencies": ("histogram", {"verb", "path"}),
        "http_request_duration_microseconds": ("summary", {"verb", "path"}),
        "pod_identity_webhook_pod_count": ("counter", {"method"}),
        "pod_identity_webhook_missing_sa_count": ("counter", set()),
        "pod_identity_webhook_used": ("gauge", set()),
    }
    for name, (kind, labels) in expected.items():
        assert families[name].type == kind
        assert {label for sample in families[name].samples for label in sample.labels} - {"le"} == labels
        assert f"\n{name}_total" not in text
    assert "_created" not in text
    bounds = [
        sample.labels["le"] for sample in families["http_request_latencies"].samples if sample.name.endswith("_bucket")
    ]
    assert bounds == ["125000", "250000", "500000", "1000000", "2000000", "4000000", "8000000", "+Inf"]
    methods = {sample.labels["method"] for sample in families["pod_identity_webhook_pod_count"].samples}
    assert methods == {"sts_web_identity", "container_credentials"}
    for family in families.values():
        assert family.documentation, family.name
        assert len({(sample.name, *sorted(sample.labels.items())) for sample in family.samples}) == len(family.samples)


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=1.0.0", "*/*", "application/json"])
def test_the_text_format_is_0_0_4_for_any_accept_header(webhook: WebhookProcess, accept: str) -> None:
    answer = webhook.get("/metrics", accept=accept)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# EOF" not in answer.text


def test_further_requests_of_the_same_kind_add_no_samples(webhook: WebhookProcess, client: httpx.Client) -> None:
    def samples() -> dict[str, float]:
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in page(webhook).splitlines()
            if not line.startswith("#")
        }

    for method in ("POST", "SEARCH"):
        client.request(method, "/mutate", content=GOOD, headers=JSON)
    before = samples()
    for method in ("POST", "MKACTIVITY", "PURGE", "M-SEARCH"):
        client.request(method, "/mutate", content=GOOD, headers=JSON)
    after = samples()
    assert after.keys() == before.keys()
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert grown['http_request_count{verb="POST",path="/mutate",code="200"}'] == 1
    assert grown['http_request_count{verb="OTHER",path="/mutate",code="405"}'] == 3
    assert grown['pod_identity_webhook_decisions_total{reason="injected"}'] == 1
    assert grown['pod_identity_webhook_pod_count{method="sts_web_identity"}'] == 1
