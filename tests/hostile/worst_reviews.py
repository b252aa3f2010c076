"""The most expensive AdmissionReviews: each list that we loop over is as long as possible, alone and in combination.

Anybody who may create pods can send the smaller ones through the API server; anybody who can reach our port can send
all of them.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from webhook.admission.annotations import OUR_VARIABLES
from webhook.admission.settings import Settings

MAX_BODY: Final = 7 * 1024 * 1024
SETTINGS: Final = Settings(aws_default_region="eu-central-1", sts_regional_endpoint=True)
PATH: Final = SETTINGS.token_mount_path
PREFIX: Final = SETTINGS.own_prefix
OUR_VOLUME: Final = "aws-iam-token"

_ROLE_VARIABLES: Final = sorted(OUR_VARIABLES)
WINDOWS: Final = {"kubernetes.io/os": "windows"}
WINDOWS_NODE: Final = {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}
VALUE: Final = {"name": "V", "value": "x" * 100}
# With this, admission examines a container in detail.
KEY: Final = {"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}


def review(pod: dict[str, Any] | bytes) -> bytes:
    """Returns the review of the creation of `pod`."""
    raw = msgspec.Raw(pod if isinstance(pod, bytes) else msgspec.json.encode(pod))
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "tenant",
        "operation": "CREATE",
        "object": raw,
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def pod(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "p", **metadata}, "spec": {"serviceAccountName": "app", **spec}}


def mounts(count: int, path: Callable[[int], str], name: str = "v") -> list[dict[str, str]]:
    return [{"name": name, "mountPath": path(number)} for number in range(count)]


def containers(count: int, **members: Any) -> list[dict[str, Any]]:
    return [{"name": f"c{number}", **members} for number in range(count)]


def projected(name: str, sources: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "projected": {"sources": sources}}


def token(path: str) -> dict[str, Any]:
    return {"serviceAccountToken": {"path": path}}


def _here(count: int) -> list[dict[str, Any]]:
    return containers(count, volumeMounts=mounts(1, lambda _: PATH))


def _variables(count: int, **value: Any) -> list[dict[str, Any]]:
    return [{"name": _ROLE_VARIABLES[number % len(_ROLE_VARIABLES)], **value} for number in range(count)]


def _terms(terms: list[list[dict[str, Any]]]) -> dict[str, Any]:
    selector = {"nodeSelectorTerms": [{"matchExpressions": requirements} for requirements in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


def _spellings(number: int) -> str:
    return "/." * (number % 7) + PATH.replace("/", "//") + "/" * (number % 5)


def _windows_spellings(number: int) -> str:
    return "C:" + PATH.replace("/", "\\").upper() + "\\" * (number % 9)


# Each function makes a pod whose size is proportional to `n`.
WORST: Final[dict[str, Callable[[int], dict[str, Any] | bytes]]] = {
    "containers that mount a volume of many sources at our path": lambda n: pod(
        {"containers": _here(n), "volumes": [projected("v", [token(f"t{i}") for i in range(n)])]}
    ),
    "containers that mount a volume of our name with many sources": lambda n: pod(
        {
            "containers": containers(n, volumeMounts=mounts(1, lambda _: PATH, OUR_VOLUME)),
            "volumes": [projected(OUR_VOLUME, [token(f"t{i}") for i in range(n)])],
        }
    ),
    "containers that manage themselves beside a volume of many sources": lambda n: pod(
        {
            "containers": containers(
                n, env=_variables(8, value="x"), volumeMounts=mounts(1, lambda _: PATH, OUR_VOLUME)
            ),
            "volumes": [projected(OUR_VOLUME, [token(f"t{i}") for i in range(n)])],
        }
    ),
    "volumes of one name": lambda n: pod({"containers": _here(n), "volumes": [projected("v", [token("t")])] * n}),
    "containers": lambda n: pod({"containers": containers(n)}),
    "init containers with lists": lambda n: pod({"initContainers": containers(n, env=[], volumeMounts=[])}),
    "mounts in odd spellings": lambda n: pod({"containers": containers(1, volumeMounts=mounts(n, _spellings))}),
    "mounts that are nearly ours": lambda n: pod(
        {"containers": containers(1, volumeMounts=mounts(n, lambda _: "/./serviceaccount"))}
    ),
    "short mounts": lambda n: pod({"containers": containers(1, volumeMounts=mounts(n, lambda _: "/"))}),
    "mounts of Windows": lambda n: pod(
        {"containers": containers(1, volumeMounts=mounts(n, _windows_spellings)), "nodeSelector": WINDOWS}
    ),
    "short mounts of Windows": lambda n: pod(
        {"containers": containers(1, volumeMounts=mounts(n, lambda _: "c:")), "nodeSelector": WINDOWS}
    ),
    "containers with a mount of ours each, elsewhere": lambda n: pod(
        {"containers": containers(n, volumeMounts=mounts(1, lambda _: "/", OUR_VOLUME))}
    ),
    "variables of ours": lambda n: pod({"containers": containers(1, env=_variables(n))}),
    "containers with presets": lambda n: pod({"containers": containers(n, env=_variables(4, value="x"))}),
    "variables that refer to others": lambda n: pod(
        {"containers": containers(1, env=[VALUE, *({"name": f"V{i}", "value": "$(V)" * 9} for i in range(n)), KEY])}
    ),
    "variables that grow and grow": lambda n: pod(
        {"containers": containers(1, env=[VALUE, *({"name": "V", "value": "$(V)$(V)"} for _ in range(n)), KEY])}
    ),
    "a variable of many references": lambda n: pod(
        {"containers": containers(1, env=[VALUE, {"name": "W", "value": "$(V)$$$(" * n}, KEY])}
    ),
    "containers with mounts above ours, of volumes of many kinds": lambda n: pod(
        {
            "containers": [
                {"name": f"c{i}", "volumeMounts": mounts(2, lambda _: "/var/run", f"v{i}")} for i in range(n)
            ],
            "volumes": [{"name": f"v{i}", "nfs": {"readOnly": True}} for i in range(n)],
        }
    ),
    "mounts above and below ours": lambda n: pod(
        {
            "containers": containers(1, volumeMounts=mounts(n, lambda i: PATH + "/x" if i % 2 else "/run/secrets")),
            "volumes": [{"name": "v", "secret": {}}],
        }
    ),
    "token files of containers with many mounts": lambda n: pod(
        {"containers": containers(1, env=[*_variables(8, value="/x"), KEY], volumeMounts=mounts(n, lambda i: f"/{i}"))}
    ),
    "terms of an affinity": lambda n: pod({"containers": containers(1), "affinity": _terms([[WINDOWS_NODE]] * n)}),
    "requirements of a term": lambda n: pod(
        {"containers": containers(1), "affinity": _terms([[{**WINDOWS_NODE, "values": ["x"]}] * n])}
    ),
    "contexts without host process": lambda n: pod(
        {"containers": containers(n, securityContext={"windowsOptions": {}})}
    ),
    "annotations that are nearly ours": lambda n: pod(
        {"containers": containers(1)}, annotations={f"{PREFIX}role-session-n{i}": "x" for i in range(n)}
    ),
    "volumes": lambda n: pod({"containers": containers(1), "volumes": [{"name": "v"}] * n}),
    "volumes of many kinds beside one of our name": lambda n: pod(
        {
            "containers": containers(1),
            "volumes": [*({"name": "v", "csi": {"a": {"b": i}}} for i in range(n)), {"name": OUR_VOLUME, "nfs": {}}],
        }
    ),
    "a volume of our name, of a deep kind": lambda n: pod(
        {"containers": containers(1), "volumes": [{"name": OUR_VOLUME, "nfs": {str(i): [{}] * 9 for i in range(n)}}]}
    ),
    "container names to skip": lambda n: pod(
        {"containers": containers(n)},
        annotations={f"{PREFIX}skip-containers": ",".join(f"x{i}" for i in range(n))},
    ),
    "container names to touch, of blanks": lambda n: pod(
        {"containers": containers(n)}, annotations={f"{PREFIX}only-containers": " ," * n}
    ),
    "annotations below our prefix": lambda n: pod(
        {"containers": containers(1)}, annotations={f"{PREFIX}{i}": "x" for i in range(n)}
    ),
    "empty sources": lambda n: pod({"containers": _here(1), "volumes": [projected("v", [{}] * n)]}),
    "labels": lambda n: pod({"containers": containers(1)}, labels={f"l{i}": "x" for i in range(n)}),
    "node selectors": lambda n: pod({"containers": containers(1), "nodeSelector": {f"l{i}": "x" for i in range(n)}}),
    "what we do not read": lambda n: pod({"containers": containers(1), "x": [{"a": [{}, 1.5, "é"]}] * n}),
    "escapes": lambda n: b'{"spec":{"serviceAccountName":"app","containers":[{"name":"%b"}]}}' % (b"\\u0041" * n),
    "long numbers": lambda n: (
        b'{"spec":{"serviceAccountName":"app","containers":[{"name":"c"}],"x":[%b1]}}'
        % (b"1234567890123456789e300," * n)
    ),
    "a wrong type at the end": lambda n: pod({"containers": [*containers(n), {"name": 7}]}),
    "a wrong annotation at the end": lambda n: pod(
        {"containers": containers(1)}, annotations={**{f"a{i}": "x" for i in range(n)}, "z": 7}
    ),
    "not a pod": lambda n: pod({"containers": [7], "x": [{"a": {}}] * n}) | {"kind": "Pot"},
    "not ASCII": lambda n: pod({"containers": containers(1), "x": "🐙" * n}),
}


def sized(name: str, size: int) -> bytes:
    """Returns the worst review of this name with at most `size` bytes, and nearly as many."""
    make = WORST[name]
    # The size is proportional to the count, except for the digits of numbers: so measure with nearly as many digits.
    lengths = {count: len(review(make(count))) for count in (1000, 2000)}
    unit = (lengths[2000] - lengths[1000]) / 1000
    frame = lengths[1000] - 1000 * unit
    more_digits = len(str(int(size / unit))) - 4
    count = int((size - frame) / (unit + more_digits * _numbers(make)))
    while len(made := review(make(count))) > size:
        count = int(count * 0.998 * size / len(made))
    return made


def _numbers(make: Callable[[int], Any]) -> float:
    """Returns how many numbers that count up one more unit has: by how much five digits are longer than four."""
    four, five = ((len(review(make(last))) - len(review(make(last - 500)))) / 500 for last in (9_500, 10_500))
    return five - four
