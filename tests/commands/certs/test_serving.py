"""How an installation serves, from its Deployment and from the process in its pod."""

from pathlib import Path
from typing import Any

import pytest

from webhook.cluster.access import AccessSettings
from webhook.commands.certs.flags import SHOW_FLAGS
from webhook.commands.certs.installation import pod_of, use_names_of
from webhook.commands.certs.serving import Mounted, Serving, serving_of_deployment, serving_of_process
from webhook.commands.flags.parsing import parse

IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
FILES = ("--tls-cert=/certs/tls.crt", "--tls-key=/certs/tls.key")
CA = "--tls-ca=/certs/ca.crt"


def deployment(*arguments: str, mounts: Any = (), volumes: Any = (), **container: Any) -> dict[str, Any]:
    """A Deployment whose container runs `arguments` after the image's entry point."""
    body = {"name": "webhook", "image": "r/pod-identity-webhook:1", "args": list(arguments), **container}
    return {"spec": {"template": {"spec": {"containers": [body | {"volumeMounts": list(mounts)}], "volumes": volumes}}}}


def command_line(*words: str) -> bytes:
    """What /proc/PID/cmdline holds."""
    return b"".join(word.encode() + b"\0" for word in words)


def files(serving: Serving | None) -> tuple[bool, str, str] | None:
    return (serving.is_self_managed, serving.certificate_file, serving.ca_file) if serving is not None else None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("python3", "/opt/bin/pod-identity-webhook", "serve", "--port=8443"), (True, "", "")),
        (("python3", "/opt/bin/pod-identity-webhook", "serve"), (True, "", "")),
        (("pod-identity-webhook", "serve", *FILES, CA), (False, "/certs/tls.crt", "/certs/ca.crt")),
        (("pod-identity-webhook", *FILES), (False, "/certs/tls.crt", "")),
        (("/webhook", "--in-cluster=false"), (False, "/etc/webhook/certs/tls.crt", "")),
        (("/webhook",), (True, "", "")),
        (("pod-identity-webhook", "serve", "--in-cluster", *FILES), (True, "", "")),
        (("pod-identity-webhook", "certs", "show"), None),
        (("/pause",), None),
        ((), None),
    ],
    ids=[
        "the command of the image",
        "without flags",
        "with files and a CA",
        "flags alone, as for the Go webhook",
        "the Go webhook's name, without a cluster's certificate",
        "the Go webhook's name alone",
        "files that --in-cluster overrides",
        "another verb",
        "another program",
        "nothing",
    ],
)
def test_a_process_tells_with_which_files_it_serves(
    words: tuple[str, ...], expected: tuple[bool, str, str] | None
) -> None:
    assert files(serving_of_process(command_line(*words), IN_CLUSTER)) == expected


def test_a_process_tells_its_names_by_flags_and_variables() -> None:
    serving = serving_of_process(
        command_line("pod-identity-webhook", "serve", "--tls-secret=ours"), {**IN_CLUSTER, "PIW_NAMESPACE": "aws"}
    )

    assert serving is not None
    assert serving.names == {
        "namespace": "aws",
        "service_name": "pod-identity-webhook",
        "tls_secret": "ours",
        "webhook_configuration": "pod-identity-webhook",
    }


MOUNT = {"name": "certificate", "mountPath": "/certs/"}
SECRET = Mounted("secret", "mine", "tls.crt")


@pytest.mark.parametrize(
    ("mount", "volume", "certificate", "ca"),
    [
        pytest.param(
            MOUNT, {"secret": {"secretName": "mine"}}, SECRET, Mounted("secret", "mine", "ca.crt"), id="a Secret"
        ),
        pytest.param(
            MOUNT,
            {
                "projected": {
                    "sources": [
                        {"secret": {"name": "mine", "items": [{"key": "cert", "path": "tls.crt"}]}},
                        {"configMap": {"name": "cas", "items": [{"key": "root", "path": "ca.crt"}]}},
                    ]
                }
            },
            Mounted("secret", "mine", "cert"),
            Mounted("configMap", "cas", "root"),
            id="a Secret and a ConfigMap in one volume",
        ),
        pytest.param(
            {"name": "certificate", "mountPath": "/certs/tls.crt", "subPath": "tls.crt"},
            {"secret": {"secretName": "mine"}},
            SECRET,
            None,
            id="one file of a Secret",
        ),
        pytest.param(MOUNT, {"hostPath": {"path": "/etc/kubernetes/pki"}}, None, None, id="a folder of the node"),
        pytest.param({"name": "other", "mountPath": "/certs"}, {}, None, None, id="a volume that is not there"),
        pytest.param({"name": "certificate", "mountPath": "/tmp"}, {"secret": {}}, None, None, id="another folder"),
    ],
)
def test_a_deployment_tells_which_objects_the_files_show(
    mount: Any, volume: Any, certificate: Mounted | None, ca: Mounted | None
) -> None:
    serving = serving_of_deployment(deployment(*FILES, CA, mounts=[mount], volumes=[{"name": "certificate", **volume}]))

    assert files(serving) == (False, "/certs/tls.crt", "/certs/ca.crt")
    assert serving is not None
    assert (serving.certificate, serving.ca) == (certificate, ca)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(deployment(), (True, "", ""), id="the image's own command"),
        pytest.param(deployment("serve", "--v=3"), (True, "", ""), id="arguments alone"),
        pytest.param(deployment("--v=3"), (True, "", ""), id="flags alone"),
        pytest.param(
            deployment(env=[{"name": "PIW_TLS_CERT", "value": "/a/tls.crt"}, {"name": "PIW_TLS_KEY", "valueFrom": {}}]),
            (False, "/a/tls.crt", ""),
            id="a variable",
        ),
        pytest.param(
            deployment("--tls-cert=$(FILE)", "--tls-key=k", env=[{"name": "FILE", "value": "/a/tls.crt"}]),
            (False, "/a/tls.crt", ""),
            id="a reference to a variable",
        ),
        pytest.param(deployment("certs", "show"), None, id="another command"),
        pytest.param(deployment(image="envoy", command=["envoy"]), None, id="another program"),
        pytest.param({"spec": {"template": None}}, None, id="no pod"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_a_deployment_tells_with_which_files_it_serves(body: Any, expected: tuple[bool, str, str] | None) -> None:
    assert files(serving_of_deployment(body)) == expected


def in_pod(tmp_path: Path, *words: str) -> tuple[AccessSettings, Path]:
    """A pod's files: its credentials' folder, and the command line of its first process."""
    (tmp_path / "namespace").write_text("aws\n")
    process = tmp_path / "cmdline"
    process.write_bytes(command_line(*words))
    return AccessSettings(in_cluster_files=tmp_path), process


@pytest.mark.parametrize(
    ("words", "argv", "namespace", "secret"),
    [
        (("pod-identity-webhook", "serve", "--namespace=eks"), (), "eks", "pod-identity-webhook"),
        (("pod-identity-webhook", "serve", "--tls-secret=ours", "--namespace=eks"), (), "eks", "ours"),
        (("pod-identity-webhook", "serve"), ("--namespace=other",), "other", "pod-identity-webhook"),
        (("/pause",), (), "aws", "pod-identity-webhook"),
    ],
    ids=["those of the webhook", "all of the webhook's", "a flag first", "the pod's namespace without a webhook"],
)
def test_in_a_pod_the_defaults_are_the_names_of_its_webhook(
    tmp_path: Path, words: tuple[str, ...], argv: tuple[str, ...], namespace: str, secret: str
) -> None:
    access, process = in_pod(tmp_path, *words)
    parsed = parse(SHOW_FLAGS, argv, IN_CLUSTER)

    use_names_of(pod_of(access, IN_CLUSTER, process=process), parsed)

    assert (parsed.values["namespace"], parsed.values["tls_secret"]) == (namespace, secret)


@pytest.mark.parametrize(
    ("access", "environ"),
    [
        (AccessSettings(), {}),
        (AccessSettings(kubeconfig="config"), IN_CLUSTER),
        (AccessSettings(context="production"), IN_CLUSTER),
    ],
    ids=["outside", "another kubeconfig", "another context"],
)
def test_a_process_of_this_machine_tells_nothing_about_another_cluster(
    tmp_path: Path, access: AccessSettings, environ: dict[str, str]
) -> None:
    _, process = in_pod(tmp_path, "pod-identity-webhook", "serve")

    assert pod_of(access, environ, process=process) is None


def test_the_default_namespace_is_where_the_charts_readme_installs() -> None:
    assert parse(SHOW_FLAGS, (), {}).values["namespace"] == "pod-identity-webhook"
