"""The API server accepts requests but hangs: the webhook answers from its cache at once, and otherwise in time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.api import ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.proxy import Proxy
from tests.e2e.webhook_process import Webhook

_LOOKUP = 1.0
# Generous, for a busy machine: an answer from the cache takes a millisecond.
_AT_ONCE = 0.5
_UNKNOWN = 50


def test_a_known_account_is_answered_at_once_and_an_unknown_one_within_the_lookup_timeout(
    own_cluster: Cluster, own_webhook: Webhook, measured: Callable[[str], None]
) -> None:
    namespace = own_cluster.namespace("hanging")
    own_cluster.admin.create(service_accounts(namespace), service_account("known", ROLE))
    own_webhook.start()
    own_cluster.api_server.pause()
    known = own_webhook.review(namespace, pod("app", "known"))
    assert (known.code, known.role) == (200, ROLE)
    assert known.took < _AT_ONCE
    unknown = own_webhook.review(namespace, pod("app", "unknown"))
    assert (unknown.code, unknown.role) == (500, None)
    assert _LOOKUP * 0.9 < unknown.took < _LOOKUP + _AT_ONCE
    assert f"ServiceAccount {namespace}/unknown" in unknown.message
    measured(f"API server hangs: known in {known.took * 1e3:.1f} ms, unknown refused in {unknown.took:.2f} s")


def test_many_unknown_accounts_do_not_delay_a_known_one(own_cluster: Cluster, own_webhook: Webhook) -> None:
    namespace = own_cluster.namespace("hanging")
    own_cluster.admin.create(service_accounts(namespace), service_account("known", ROLE))
    own_webhook.start()
    own_cluster.api_server.pause()
    with ThreadPoolExecutor(_UNKNOWN) as pool:
        asked = [pool.submit(own_webhook.review, namespace, pod("app", f"no-{n}")) for n in range(_UNKNOWN)]
        known = [own_webhook.review(namespace, pod("app", "known")) for _ in range(20)]
        unknown = [each.result() for each in asked]
    assert [(each.code, each.role) for each in known] == [(200, ROLE)] * 20
    assert max(each.took for each in known) < _AT_ONCE
    assert [each.code for each in unknown] == [500] * _UNKNOWN
    assert max(each.took for each in unknown) < _LOOKUP + 2 * _AT_ONCE


@pytest.mark.parametrize("failure_policy", ["Fail", "Ignore"])
def test_the_failure_policy_decides_when_a_live_read_hangs(
    cluster: Cluster, proxied_webhook: Webhook, proxy: Proxy, failure_policy: str
) -> None:
    proxied_webhook.start()
    proxied_webhook.register(failure_policy="Fail" if failure_policy == "Fail" else "Ignore")
    namespace = proxied_webhook.pod_namespace("hanging")
    proxy.hold_answers("watch=")
    proxy.hold_requests(f"/namespaces/{namespace}/serviceaccounts/")
    cluster.admin.create(service_accounts(namespace), service_account("app", ROLE))
    if failure_policy == "Fail":
        with pytest.raises(ApiError) as refused:
            cluster.admin.create(pods(namespace), pod("app", "app"))
        assert refused.value.code == 500
        assert 'failed calling webhook "pod-identity-webhook.amazonaws.com"' in refused.value.message
    else:
        assert role_of(cluster.admin.create(pods(namespace), pod("app", "app"))) is None
    assert any(f"/namespaces/{namespace}/serviceaccounts/app" in asked for asked in proxy.requests)
