"""In each container of an admitted, labelled pod, boto3's own resolution finds the credentials that we predict."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

import botocore.loaders
import jsonpatch
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.admission.sdk import JSON, Sts, Used, used
from webhook.admission.credentials import environment, found
from webhook.admission.decision import answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.pod import EnvVar, Something
from webhook.admission.review import parse
from webhook.admission.settings import Settings, partition_of

ROLE: Final = "arn:aws:iam::111122223333:role/app"
OWN_ROLE: Final = "arn:aws:iam::111122223333:role/own"
MOUNT: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
AGENT: Final = "http://169.254.170.23/v1/credentials"
OWN_AGENT: Final = "http://127.0.0.1:9/mine"
ACCOUNT: Final = ServiceAccount("shop", "app", {"role-arn": ROLE})
BY_ROLE: Final = Sources()
BY_AGENT: Final = Sources(container_credentials=frozenset({("shop", "app")}))

# A profile with settings that take precedence over web identity.
PROFILES: Final = f"""[default]
role_arn = {OWN_ROLE}
credential_source = Environment
[profile backup]
aws_access_key_id = A
aws_secret_access_key = S
[backup]
aws_access_key_id = A
aws_secret_access_key = S
"""
CONTENTS: Final = {"/mine/token": "mine", "/mine/config": PROFILES}

VALUES: Final = {
    "AWS_ROLE_ARN": ["", ROLE, OWN_ROLE],
    "AWS_WEB_IDENTITY_TOKEN_FILE": ["", f"{MOUNT}/token", "/mine/token", "/nowhere/token", "$(MINE)/token"],
    "AWS_ACCESS_KEY_ID": ["", "A", "$(NOTHING)", "$$(NOTHING)", "$(UNKNOWN)"],
    "AWS_SECRET_ACCESS_KEY": ["", "S"],
    "AWS_PROFILE": ["", "backup"],
    "AWS_DEFAULT_PROFILE": ["backup"],
    "AWS_CONFIG_FILE": ["", "/mine/config", "/nowhere/config"],
    "AWS_SHARED_CREDENTIALS_FILE": ["", "/mine/config", "/nowhere/config"],
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ["", "/v2/mine"],
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": ["", AGENT, OWN_AGENT],
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": ["", "/mine/token", "/nowhere/token"],
    "AWS_REGION": ["", "eu-central-1"],
    "AWS_STS_REGIONAL_ENDPOINTS": ["regional"],
}
ELSEWHERE: Final = {
    "AWS_ROLE_ARN": OWN_ROLE,
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": OWN_AGENT,
    "AWS_REGION": "eu-central-1",
    "AWS_STS_REGIONAL_ENDPOINTS": "regional",
}
PROFILE_NAMES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


def _variable(name: str) -> st.SearchStrategy[JSON]:
    literal = st.sampled_from(VALUES[name]).map(lambda value: {"name": name, "value": value})
    # The API server omits an empty value.
    plain = literal.map(lambda made: made if made["value"] else {"name": name})
    reference = {"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    return plain | st.just(reference)


variables = st.sampled_from(sorted(VALUES)).flatmap(_variable)
mounts: st.SearchStrategy[JSON] = st.sampled_from(
    [
        {"name": "mine", "mountPath": "/mine"},
        {"name": "mine", "mountPath": "/mine", "readOnly": True},
        {"name": "token", "mountPath": MOUNT},
        {"name": "another", "mountPath": MOUNT},
        {"name": "mine", "mountPath": "/var/run/secrets"},
        {"name": "secret", "mountPath": "/var/run"},
        {"name": "mine", "mountPath": f"{MOUNT}/more"},
    ]
)
VOLUMES: Final[list[JSON]] = [
    {"name": "mine", "emptyDir": {}},
    {"name": "secret", "secret": {"secretName": "s"}},
    {
        "name": "token",
        "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "sts.amazonaws.com"}}]},
    },
    {
        "name": "another",
        "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "vault"}}]},
    },
]
HELPERS: Final[list[JSON]] = [{"name": "MINE", "value": "/mine"}, {"name": "NOTHING"}]
containers = st.fixed_dictionaries(
    {
        "name": st.just("app"),
        "env": st.lists(variables, max_size=5).map(lambda env: HELPERS + env),
        "volumeMounts": st.lists(mounts, max_size=2, unique_by=lambda mount: mount["mountPath"]),  # type: ignore[index]
    }
)


@pytest.fixture(scope="module")
def sts() -> Iterator[Sts]:
    server = Sts()
    yield server
    server.close()


def _decided(container: JSON, sources: Sources) -> tuple[JSON, JSON]:
    """Returns the response to a labelled pod with that container, and the patched pod."""
    pod: JSON = {
        "metadata": {"name": "web", "labels": {"eks.amazonaws.com/require-pod-identity": "true"}},
        "spec": {"serviceAccountName": "app", "containers": [container], "volumes": VOLUMES},
    }
    request = {"uid": "1", "kind": {"kind": "Pod"}, "namespace": "shop", "operation": "CREATE", "object": pod}
    review = parse(json.dumps({"request": request}).encode())
    response = json.loads(answer(review, decide(review, ACCOUNT, sources, Settings())))["response"]
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    return response, jsonpatch.apply_patch(pod, patch)


def _expected(sources: Sources, response: JSON) -> Used:
    """Returns the credentials that we predict for an admitted container: ours, or its own if a warning says so."""
    told = [warning for warning in response.get("warnings", ()) if warning.startswith("its own credentials are used")]
    if not told:
        if sources is BY_AGENT:
            return Used("container-role", {"url": AGENT, "token": "pods.eks.amazonaws.com"})
        return Used("assume-role-with-web-identity", {"role": ROLE, "token": "sts.amazonaws.com"})
    if "AWS_WEB_IDENTITY_TOKEN_FILE" in told[0]:
        return Used("assume-role-with-web-identity")
    return Used("container-role")


@pytest.mark.parametrize("sources", [BY_ROLE, BY_AGENT], ids=["role", "container credentials"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(container=containers)
@example(container={"name": "app", "env": [{"name": "AWS_PROFILE"}]})
@example(container={"name": "app", "env": [{"name": "AWS_ACCESS_KEY_ID", "value": "A"}]})
@example(container={"name": "app", "env": [{"name": "AWS_ROLE_ARN"}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE"}]})
@example(container={"name": "app", "env": [{"name": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}]})
def test_in_an_admitted_pod_botocore_uses_the_credentials_that_we_predict(
    sts: Sts, sources: Sources, container: JSON
) -> None:
    response, pod = _decided(container, sources)
    (patched,) = pod["spec"]["containers"]
    names = {variable["name"] for variable in container["env"]}
    elsewhere = {name: ELSEWHERE.get(name, "x") for name in names}

    seen = used(patched, pod, elsewhere, CONTENTS, sts)

    if response["allowed"]:
        expected = _expected(sources, response)
        assert seen.method == expected.method, response
        if expected.asked:
            assert seen == expected
        else:
            assert seen.asked["token"] in {"mine", "sts.amazonaws.com", "vault"}
    elif names.isdisjoint(PROFILE_NAMES):
        # We do not know the content of a profile, so we refuse every labelled pod with one.
        ours = [Used("assume-role-with-web-identity", {"role": ROLE, "token": "sts.amazonaws.com"})]
        if sources is BY_AGENT:
            ours = [Used("container-role", {"url": AGENT, "token": "pods.eks.amazonaws.com"})]
        assert seen not in ours, response


def _manifest(variable: EnvVar) -> JSON:
    made: JSON = {"name": variable.name}
    if variable.value:
        made["value"] = variable.value
    if variable.valueFrom is not None:
        made["valueFrom"] = {"secretKeyRef": {"name": "s", "key": "k"}}
    return made


def _table() -> Iterator[tuple[list[EnvVar], str, str]]:
    """Yields variables of a container that mounts /mine, whose credentials we predict, and botocore's method."""
    key, secret = EnvVar("AWS_ACCESS_KEY_ID", "A"), EnvVar("AWS_SECRET_ACCESS_KEY", "S")
    role, file = EnvVar("AWS_ROLE_ARN", OWN_ROLE), EnvVar("AWS_WEB_IDENTITY_TOKEN_FILE", "/mine/token")
    uri = EnvVar("AWS_CONTAINER_CREDENTIALS_FULL_URI", OWN_AGENT)
    auth = EnvVar("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/mine/token")
    config = EnvVar("AWS_CONFIG_FILE", "/mine/config")
    yield [], "none", "none"
    yield [key, secret], "others", "env"
    yield [key], "others", "failed"
    yield [secret], "none", "none"
    yield [EnvVar("AWS_ACCESS_KEY_ID", None, Something()), secret], "others", "env"
    yield (
        [EnvVar("AWS_ACCESS_KEY_ID"), EnvVar("AWS_SECRET_ACCESS_KEY"), role, file],
        "own",
        "assume-role-with-web-identity",
    )
    yield [key, secret, role, file], "others", "env"
    yield [role, file], "own", "assume-role-with-web-identity"
    yield [role], "none", "none"
    yield [file], "none", "failed"
    yield [role, EnvVar("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere")], "none", "failed"
    yield [role, EnvVar("AWS_WEB_IDENTITY_TOKEN_FILE")], "none", "none"
    yield [uri, auth], "own", "container-role"
    yield [uri], "none", "container-role"
    yield [uri, auth, role, file], "own", "assume-role-with-web-identity"
    yield [EnvVar("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"), uri, auth], "others", "container-role"
    yield [EnvVar("AWS_PROFILE", "backup"), config, role, file], "others", "assume-role-with-web-identity"
    yield [config, role, file], "others", "failed"
    yield [EnvVar("AWS_PROFILE", "backup"), role, file], "others", "failed"
    yield [EnvVar("AWS_PROFILE"), role, file], "others", "failed"
    yield [EnvVar("AWS_CONFIG_FILE", "/nowhere/config"), role, file], "own", "assume-role-with-web-identity"


TABLE: Final = list(_table())


@pytest.mark.parametrize(("env", "whose", "method"), TABLE, ids=[" ".join(v.name for v in row[0]) for row in TABLE])
def test_the_order_is_botocores(sts: Sts, env: list[EnvVar], whose: str, method: str) -> None:
    ours = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{MOUNT}/token"}
    container = {
        "env": [_manifest(variable) for variable in env],
        "volumeMounts": [{"name": "mine", "mountPath": "/mine"}],
    }

    assert found(environment(env), ours, lambda path: path.startswith("/mine/")).whose == whose
    assert used(container, {"spec": {"volumes": VOLUMES}}, {v.name: "x" for v in env}, CONTENTS, sts).method == method


def test_every_region_lies_in_the_partition_that_botocore_has_it_in() -> None:
    partitions: dict[str, Any] = botocore.loaders.Loader().load_data("partitions")
    regions = {
        region: partition["id"]
        for partition in partitions["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    }

    assert len(set(regions.values())) >= 7
    assert {region: partition_of(region) for region in regions} == regions
