from webhook.admission.settings import Settings
from webhook.commands.replay.case import cases_of
from webhook.manifests.documents import Document


def _slugs(*names: str) -> list[str]:
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {}} for name in names]
    cases, _ = cases_of([Document(pod, "a.yaml", 1) for pod in pods], "shop", Settings())
    return [case.slug for case in cases]


def test_cases_of_one_name_are_numbered() -> None:
    assert _slugs("a", "b", "a", "a") == ["pod-shop-a", "pod-shop-b", "pod-shop-a-2", "pod-shop-a-3"]


def test_numbering_skips_names_that_are_already_in_use() -> None:
    assert _slugs("a", "a-2", "a", "a-2", "a") == [
        "pod-shop-a",
        "pod-shop-a-2",
        "pod-shop-a-3",
        "pod-shop-a-2-2",
        "pod-shop-a-4",
    ]


def test_a_name_that_equals_a_numbered_one_gets_a_number_too() -> None:
    assert _slugs("a", "a", "a-2") == ["pod-shop-a", "pod-shop-a-2", "pod-shop-a-2-2"]
