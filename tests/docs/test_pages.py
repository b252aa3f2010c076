import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.commands.manifests import Object, pod, service_account, stream
from tests.commands.outcome import run
from tests.docs.pages import PAGES, ROOT, anchors, quoted, table
from tests.e2e.rbac import CLUSTER_RULES, NAMESPACE_RULES
from webhook.admission.decision import REASONS
from webhook.admission.settings import Settings
from webhook.cluster import watch
from webhook.server.mutate_endpoint import PATH
from webhook.server.settings import ServerSettings

LINK = re.compile(r"\]\(([^)]+)\)")
EVERY_PAGE = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
DEFAULTS = ServerSettings()
MOUNT_PATH = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


def test_the_page_of_flags_matches_the_code() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    assert (ROOT / "docs/flags.md").read_text(encoding="utf-8") == generate.flags_page(), "run make docs"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.name)
def test_links_have_existing_targets(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_the_documented_reasons_of_decisions_match_the_code() -> None:
    rows = table("admission.md", "Decisions and their reasons")

    assert [reason for row in rows for reason in quoted(row[0])] == list(REASONS)


def test_the_documented_rules_match_those_of_the_end_to_end_tests() -> None:
    rules = {manifest["kind"]: manifest["rules"] for manifest in _manifests() if "rules" in manifest}

    assert rules == {"ClusterRole": CLUSTER_RULES, "Role": NAMESPACE_RULES}


def test_the_documented_configuration_excludes_pods_with_the_skip_label() -> None:
    (configuration,) = [manifest for manifest in _manifests() if "webhooks" in manifest]
    (webhook,) = configuration["webhooks"]

    assert configuration["kind"] == "MutatingWebhookConfiguration"
    assert webhook["clientConfig"]["service"] == {
        "name": DEFAULTS.service_name,
        "namespace": DEFAULTS.namespace,
        "path": PATH,
    }
    (skipped,) = webhook["objectSelector"]["matchExpressions"]
    assert skipped == {"key": Settings().skip_label, "operator": "DoesNotExist"}


def _manifests() -> list[Object]:
    page = (ROOT / "docs/operation.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [manifest for block in blocks for manifest in yaml.safe_load_all(block)]


def test_the_documented_reasons_of_watch_restarts_match_the_code() -> None:
    (row,) = [row for row in table("operation.md", "Metrics") if "watch_restarts_total" in row[0]]

    assert quoted(row[1]) == list(watch.REASONS)


def container(**members: object) -> Object:
    made = pod()
    made["spec"]["containers"][0].update(members)
    return made


def mounting(volume: Object, mount_path: str = MOUNT_PATH) -> Object:
    made = container(volumeMounts=[{"name": volume["name"], "mountPath": mount_path}])
    made["spec"]["volumes"] = [volume]
    return made


def token(name: str, audience: str = "sts.amazonaws.com") -> Object:
    source = {"serviceAccountToken": {"audience": audience, "path": "token", "expirationSeconds": 86400}}
    return {"name": name, "projected": {"sources": [source]}}


def setting(**variables: str) -> Object:
    return container(env=[{"name": name, "value": value} for name, value in variables.items()])


TOKEN_FILE = {"AWS_ROLE_ARN": "mine", "AWS_WEB_IDENTITY_TOKEN_FILE": "/mine/token"}
SECRET: Object = {"name": "x", "secret": {"secretName": "x"}}
OWN: Object = mounting(token("mine"), "/mine")
OWN["spec"]["containers"][0]["env"] = setting(**TOKEN_FILE)["spec"]["containers"][0]["env"]
REGION = "--aws-default-region=cn-north-1"
P = "eks.amazonaws.com/"


@dataclass(frozen=True)
class Warned:
    """A pod that gets a warning, the annotations of its ServiceAccount, and flags."""

    pod: Object
    annotations: dict[str, str] = field(default_factory=lambda: {P + "role-arn": f"arn:aws:iam::{'1' * 12}:role/web"})
    flags: tuple[str, ...] = ()


# A pod for each documented warning, in the order of the documentation.
WARNED: tuple[Warned, ...] = (
    Warned(setting(AWS_ACCESS_KEY_ID="x")),
    Warned(setting(AWS_PROFILE="x")),
    Warned(setting(AWS_ROLE_ARN="mine")),
    Warned(setting(AWS_ROLE_ARN="")),
    Warned(setting(**TOKEN_FILE)),
    Warned(OWN),
    Warned(mounting({"name": "x", "emptyDir": {}})),
    Warned(mounting(SECRET, "/var/run/secrets")),
    Warned(mounting(SECRET, f"{MOUNT_PATH.removeprefix('/var')}/more")),
    Warned(mounting(token("x", "x"))),
    Warned(mounting(token("aws-iam-token"), "/elsewhere")),
    Warned(mounting({"name": "aws-iam-token", "emptyDir": {}})),
    Warned(mounting(token("aws-iam-token", "x"))),
    Warned(setting(AWS_REGION=""), {P + "role-arn": f"arn:aws-cn:iam::{'1' * 12}:role/web"}, (REGION,)),
    Warned(pod(), {P + "role-arn": "x"}),
    Warned(pod(), flags=(REGION,)),
    Warned(pod(), {P + "role-arn": f"arn:aws:iam::{'1' * 12}:role/web", P + "token-expiration": "x"}),
    Warned(pod(annotations={P + "role-arn": "x"})),
    Warned(pod(), {P + "role_arn": "x"}),
    Warned(pod(labels={P + "pod-identity": "x"}), flags=("--watch-container-credentials-config",)),
)
WARNINGS = [quoted(row[0])[0] for row in table("admission.md", "What is left alone, and what the warnings mean")]


def test_each_documented_warning_has_a_pod_in_this_test() -> None:
    assert len(WARNINGS) == len(WARNED)


@pytest.mark.parametrize(("warning", "warned"), list(zip(WARNINGS, WARNED, strict=False)), ids=WARNINGS)
def test_a_documented_warning_matches_the_code(
    warning: str, warned: Warned, tmp_path_factory: pytest.TempPathFactory
) -> None:
    account = service_account(role="")
    account["metadata"]["annotations"] = warned.annotations
    flags = list(warned.flags)
    if flags == ["--watch-container-credentials-config"]:
        config = tmp_path_factory.mktemp("config") / "identities.json"
        config.write_text('{"identities":[{"namespace":"shop","serviceAccount":"web"}]}')
        flags = [f"{flags[0]}={config}"]

    outcome = run("replay", "-", *flags, stdin=stream(account, warned.pod))

    said = [line.removeprefix("# warning: ") for line in outcome.out.splitlines() if line.startswith("# warning: ")]
    documented = (
        re.escape(warning)
        .replace("…", re.escape(MOUNT_PATH))
        .replace(r":\ annotation\ ", r":\ (?:ServiceAccount\ )?annotation\ ")
        .replace(r"\ P/", r"\ eks\.amazonaws\.com/")
    )
    assert len(said) == 1
    assert re.fullmatch(documented, said[0]), said
