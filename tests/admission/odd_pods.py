"""Generates pods with odd names, nulls and unknown fields, and what else a decision depends on."""

from typing import Any, Final

from hypothesis import strategies as st

from webhook.admission.annotations import OUR_VARIABLES
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.settings import Settings

JSON = dict[str, Any]

ROLE_ARN: Final = "arn:aws:iam::111122223333:role/app"
MOUNT_PATH: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
AGENT_PATH: Final = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
ACCOUNT: Final = ServiceAccount("shop", "app", {"role-arn": ROLE_ARN, "sts-regional-endpoints": "true"})

odd_names = st.one_of(
    st.sampled_from(["main", "proxy", "a/b", "a~b", "~1", "~0/", "-", "0", "", "mäin", "🚀", "x" * 300]),
    st.text(max_size=8),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
unknown_fields = st.dictionaries(st.text(max_size=4).map("x-{}".format), json_values, max_size=2)


def _objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[JSON]:
    """Generates objects that may also have unknown fields, before or after the known ones."""
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(known, unknown_fields, st.booleans()).map(
        lambda drawn: {**drawn[1], **drawn[0]} if drawn[2] else {**drawn[0], **drawn[1]}
    )


def _maybe_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


variables = _objects(
    {"name": st.sampled_from(sorted(OUR_VARIABLES)) | odd_names},
    {
        "value": st.sampled_from([ROLE_ARN, f"{MOUNT_PATH}/token", "regional", ""]) | st.text(max_size=5),
        "valueFrom": json_values,
    },
)
volume_names = st.sampled_from(["aws-iam-token", "eks-pod-identity-token", "data"]) | odd_names
mounts = _objects(
    {
        "name": volume_names,
        "mountPath": st.sampled_from(
            [
                MOUNT_PATH,
                f"{MOUNT_PATH}/",
                f"/{MOUNT_PATH}",
                AGENT_PATH,
                "C:" + MOUNT_PATH.replace("/", "\\"),
                "/data",
                "",
            ]
        ),
    },
    {"readOnly": st.booleans()},
)
tokens = _objects(
    {"path": st.sampled_from(["token", "eks-pod-identity-token", "other"])},
    {"audience": st.sampled_from(["sts.amazonaws.com", "pods.eks.amazonaws.com", ""])},
)
volumes = _objects(
    {"name": volume_names},
    {
        "projected": _maybe_null(
            _objects({}, {"sources": _maybe_null(st.lists(_objects({}, {"serviceAccountToken": tokens}), max_size=2))})
        ),
        "emptyDir": json_values,
    },
)
containers = _objects(
    {"name": odd_names},
    {
        "env": _maybe_null(st.lists(variables, max_size=4)),
        "volumeMounts": _maybe_null(st.lists(mounts, max_size=2)),
        "restartPolicy": st.just("Always"),
    },
)
annotations = st.dictionaries(odd_names, st.text(max_size=5), max_size=2).flatmap(
    lambda others: st.fixed_dictionaries(
        {},
        optional={
            "eks.amazonaws.com/skip-containers": st.sampled_from(["main", "proxy,a/b", " 🚀 ,", ""]),
            "eks.amazonaws.com/only-containers": st.sampled_from(["main", "proxy,mäin", ""]),
            "eks.amazonaws.com/role-session-name": st.sampled_from(["pod-name", "shop", "x", "a b"]),
            "eks.amazonaws.com/token-expiration": st.sampled_from(["3600", "1", "1h", "9999999999"]),
        },
    ).map(lambda ours: {**others, **ours})
)
labels = st.dictionaries(
    odd_names
    | st.sampled_from(
        [
            "eks.amazonaws.com/pod-identity",
            "eks.amazonaws.com/require-pod-identity",
            "eks.amazonaws.com/skip-pod-identity-webhook",
        ]
    ),
    st.sampled_from(["true", "enabled", ""]),
    max_size=2,
)
pods = _objects(
    {
        "spec": _objects(
            {"serviceAccountName": st.just("app"), "containers": st.lists(containers, min_size=1, max_size=3)},
            {
                "initContainers": _maybe_null(st.lists(containers, max_size=2)),
                "ephemeralContainers": json_values,
                "volumes": _maybe_null(st.lists(volumes, max_size=3)),
                "os": _maybe_null(_objects({}, {"name": st.sampled_from(["windows", "linux"])})),
                "nodeSelector": _maybe_null(st.dictionaries(st.just("kubernetes.io/os"), st.just("windows"))),
            },
        )
    },
    {
        "metadata": _maybe_null(
            _objects(
                {},
                {
                    "name": odd_names,
                    "generateName": odd_names,
                    "annotations": _maybe_null(annotations),
                    "labels": _maybe_null(labels),
                },
            )
        )
    },
)
all_sources = st.sampled_from([Sources(), Sources(container_credentials=frozenset({("shop", "app")}))])
all_settings = st.sampled_from(
    [
        Settings(),
        Settings(aws_default_region="eu-central-1", sts_regional_endpoint=True),
        Settings(token_mount_path="/aws/"),
    ]
)
