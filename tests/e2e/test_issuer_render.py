"""`issuer render --live` writes what a real API server publishes, but for what must differ."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.commands.outcome import run
from tests.e2e.cluster import ISSUER, Cluster
from tests.e2e.objects import service_account, service_accounts
from tests.e2e.rbac import account_with
from webhook.issuer.jwks import read_jwks

PUBLISHED = "https://issuer.example.com/prod"
DISCOVERY = ".well-known/openid-configuration"
JWKS = "openid/v1/jwks"
KEYS: dict[str, Any] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "large-rsa": rsa.generate_private_key(65537, 4096),
    "p-256": ec.generate_private_key(ec.SECP256R1()),
    "p-384": ec.generate_private_key(ec.SECP384R1()),
    "p-521": ec.generate_private_key(ec.SECP521R1()),
}


@pytest.fixture(scope="module")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files with public keys, for the API server and for our command; two of them share one file."""
    folder = tmp_path_factory.mktemp("keys")
    files = {name: folder / f"{name}.pub" for name in KEYS}
    for name, key in KEYS.items():
        public = key.public_key()
        files[name].write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    shared = folder / "shared.pub"
    shared.write_bytes(files.pop("p-256").read_bytes() + files.pop("p-384").read_bytes())
    signing = folder / "signing.key"
    signing.write_bytes(KEYS["rsa"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {**files, "shared": shared, "signing": signing}


@pytest.fixture(scope="module")
def many_keys(breakable_cluster: Cluster, key_files: dict[str, Path]) -> Cluster:
    """A cluster whose API server verifies with a key of every kind, and signs with RSA."""
    public = [f"--service-account-key-file={path}" for name, path in key_files.items() if name != "signing"]
    breakable_cluster.restart_api_server(*public, f"--service-account-signing-key-file={key_files['signing']}")
    return breakable_cluster


def raw(cluster: Cluster, path: str) -> dict[str, Any]:
    done = cluster.kubectl("get", "--raw", f"/{path}")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def rendered(folder: Path, *argv: str, issuer: str = PUBLISHED) -> tuple[dict[str, Any], dict[str, Any], str]:
    done = run("issuer", "render", f"--issuer={issuer}", *argv, f"--output-dir={folder}")
    assert (done.code, done.err) == (0, "")
    return json.loads((folder / DISCOVERY).read_bytes()), json.loads((folder / JWKS).read_bytes()), done.out


def by_kid(jwks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {key["kid"]: key for key in jwks["keys"]}


def test_live_documents_are_those_of_the_api_server_with_our_issuer(many_keys: Cluster, tmp_path: Path) -> None:
    theirs, their_keys = raw(many_keys, DISCOVERY), raw(many_keys, JWKS)
    ours, our_keys, out = rendered(tmp_path, "--live", f"--kubeconfig={many_keys.kubeconfig}")

    assert by_kid(our_keys) == by_kid(their_keys)
    assert len(our_keys["keys"]) == len(their_keys["keys"]) == len(KEYS) + 1
    assert (theirs["issuer"], ours["issuer"]) == (ISSUER, PUBLISHED)
    assert ours["jwks_uri"] == f"{PUBLISHED}/{JWKS}"
    different = ("issuer", "jwks_uri")
    assert {name: value for name, value in ours.items() if name not in different} == {
        name: value for name, value in theirs.items() if name not in different
    }
    assert f"note: the API server's issuer is {ISSUER}: " in out
    assert "a kid that the signer chose" not in out


def test_kids_computed_from_public_keys_are_those_of_the_api_server(
    many_keys: Cluster, key_files: dict[str, Path], tmp_path: Path
) -> None:
    flags = [f"--public-key={path}" for name, path in key_files.items() if name != "signing"]
    _, ours, _ = rendered(tmp_path, *flags)

    theirs = by_kid(raw(many_keys, JWKS))
    # The API server of these tests has one key more, in its certificate.
    assert len(ours["keys"]) == len(KEYS) == len(theirs) - 1
    assert by_kid(ours).items() <= theirs.items()


def test_a_token_of_the_cluster_verifies_with_the_rendered_keys(many_keys: Cluster, tmp_path: Path) -> None:
    namespace = many_keys.namespace("rendered-issuer")
    many_keys.admin.create(service_accounts(namespace), service_account("app"))
    request = {"apiVersion": "authentication.k8s.io/v1", "spec": {"audiences": ["sts.amazonaws.com"]}}
    answer = many_keys.admin.create(f"{service_accounts(namespace)}/app/token", request)
    token = answer["status"]["token"]
    rendered(tmp_path, "--live", f"--kubeconfig={many_keys.kubeconfig}")

    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [jwk for jwk in read_jwks((tmp_path / JWKS).read_bytes()) if jwk.kid == kid]
    claims = jwt.decode(token, key.public_key, algorithms=list(key.algorithms), audience="sts.amazonaws.com")  # type: ignore[arg-type]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:app"


def test_live_without_a_note_if_the_issuer_is_that_of_the_cluster(many_keys: Cluster, tmp_path: Path) -> None:
    _, _, out = rendered(tmp_path, "--live", f"--kubeconfig={many_keys.kubeconfig}", issuer=ISSUER)

    assert "the API server's issuer" not in out


def test_a_stranger_is_told_which_right_is_missing(many_keys: Cluster, tmp_path: Path) -> None:
    nobody = many_keys.write_kubeconfig("nobody", "")
    stranger = run("issuer", "render", f"--issuer={PUBLISHED}", "--live", f"--kubeconfig={nobody}", "--output-dir=-")
    assert stranger.code == 1
    assert "/openid/v1/jwks" in stranger.err

    account = account_with(many_keys, many_keys.namespace("discovers"), cluster_rules=[], namespace_rules=[])
    config = many_keys.write_kubeconfig("any-service-account", account.token)
    # Kubernetes lets every ServiceAccount read the documents.
    rendered(tmp_path, "--live", f"--kubeconfig={config}")
