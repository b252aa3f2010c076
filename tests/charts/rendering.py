"""Renders the chart with the real Helm SDK; tests read the result as objects."""

import json
import pickle
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import helm_python
import yaml

Object: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, Any]

CHART = Path(__file__).parents[2] / "charts/pod-identity-webhook"
RELEASE = "pod-identity-webhook"
NAMESPACE = "eks"
ENTRY = "pod-identity-webhook.amazonaws.com"
# The loader in C is many times faster, but not every PyYAML has it. The subclass also reads as bools and numbers what
# Kubernetes' YAML reader does and PyYAML reads as text.
_Loader: Any = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_Loader.add_constructor(
    "tag:yaml.org,2002:bool",
    lambda loader, node: str(loader.construct_scalar(node)).lower() in {"y", "yes", "true", "on"},
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_LOADED = helm_python.Chart.load(CHART)


class Rendered:
    """The objects that a set of values renders."""

    def __init__(self, values: Values | None = None, *, release: str = RELEASE, namespace: str = NAMESPACE) -> None:
        self.notes, self.objects = pickle.loads(_rendered(json.dumps(values or {}), release, namespace))

    def one(self, kind: str, name: str = "") -> Object:
        """The only object of a kind, without hooks. With a name, the only one of that kind and name."""
        found = self.all(kind)
        if name:
            found = [one for one in found if one["metadata"]["name"] == name]
        assert len(found) == 1, [one["metadata"]["name"] for one in found]
        return found[0]

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind, without hooks."""
        return [one for one in self.objects if one["kind"] == kind and not is_hook(one)]

    def hooks(self) -> list[Object]:
        """The objects that exist only while `helm test` runs."""
        return [one for one in self.objects if is_hook(one)]

    @property
    def pod(self) -> Object:
        """The Deployment's pod template."""
        template: Object = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def container(self) -> Object:
        """The webhook's container."""
        (container,) = self.pod["spec"]["containers"]
        found: Object = container
        return found

    @property
    def entries(self) -> dict[str, Object]:
        """The entries of the MutatingWebhookConfiguration, by the part of their name before the common suffix."""
        entries = self.one("MutatingWebhookConfiguration")["webhooks"]
        return {entry["name"].removesuffix(f".{ENTRY}"): entry for entry in entries}


def is_hook(one: Object) -> bool:
    """Whether an object is a Helm hook."""
    return "helm.sh/hook" in one["metadata"].get("annotations", {})


def merged(*parts: Values) -> Values:
    """Merges values as Helm merges several values files."""
    result: Values = {}
    for part in parts:
        _merge(result, part)
    return result


def _merge(into: Values, part: Values) -> None:
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = deepcopy(value)


@cache
def _rendered(values: str, release: str, namespace: str) -> bytes:
    """Returns the notes and the objects, pickled: a test may change its copy, and unpickling is the fastest copy."""
    files = _LOADED.render(json.loads(values), name=release, namespace=namespace)
    notes = files.pop("pod-identity-webhook/templates/NOTES.txt")
    return pickle.dumps((notes, list(_objects(text for _, text in sorted(files.items())))))


def _objects(texts: Iterable[str]) -> Iterator[Object]:
    for text in texts:
        yield from _parsed(text)


@cache
def _parsed(text: str) -> tuple[Object, ...]:
    """Parses each text once: most values change only one or two files of the chart."""
    return tuple(filter(None, yaml.load_all(text, Loader=_Loader)))


def at(value: Any, *path: str) -> Any:
    """What is below these keys."""
    for key in path:
        value = value[key]
    return value
