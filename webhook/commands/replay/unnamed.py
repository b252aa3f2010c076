"""Containers without a name in the templates of foreign workloads, such as Knative's Services.

Their controller names them. The webhook must be asked about a pod whose containers have names; but no name that we made
up may appear in what `replay` prints.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from webhook.diagnosis.answers import Answer

_SECTIONS: Final = ("initContainers", "containers")


def with_names(pod: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns `pod` with a name for each container that has none; and by each such name, what to print instead."""
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return pod, {}
    instead: dict[str, str] = {}
    named = {
        section: [_named(container, f"spec.{section}[{index}]", instead) for index, container in enumerate(containers)]
        for section in _SECTIONS
        if isinstance(containers := spec.get(section), list)
    }
    return ({**pod, "spec": {**spec, **named}}, instead) if instead else (pod, {})


def without_names(answer: Answer, instead: Mapping[str, str]) -> Answer:
    """Returns `answer` without the names that `with_names` made up. A JSON Patch has none: its paths have indexes."""
    if not instead:
        return answer
    return replace(
        answer,
        review=_replaced(answer.review, instead),
        message=_replaced(answer.message, instead),
        warnings=_replaced(answer.warnings, instead),
        error=_replaced(answer.error, instead),
    )


def _named(container: Any, place: str, instead: dict[str, str]) -> Any:
    if not isinstance(container, dict) or container.get("name"):
        return container
    # Derived, so that answers are reproducible; long, so that it is no part of another name.
    name = f"unnamed-{uuid.uuid5(uuid.NAMESPACE_URL, place).hex}"
    instead[name] = f"without a name ({place})"
    return {**container, "name": name}


def _replaced(value: Any, instead: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in instead.items():
            value = value.replace(name, text)
        return value
    if isinstance(value, list):
        return [_replaced(member, instead) for member in value]
    if isinstance(value, dict):
        return {key: _replaced(member, instead) for key, member in value.items()}
    return value
