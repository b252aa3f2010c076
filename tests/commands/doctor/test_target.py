import pytest

from webhook.commands.doctor.target import Target, target_of


@pytest.mark.parametrize(
    ("words", "namespace", "target"),
    [
        pytest.param((), "", None, id="nothing: the installation"),
        pytest.param(("serviceaccount", "shop/reports"), "", Target("serviceaccount", "shop", "reports"), id="NS/NAME"),
        pytest.param(("sa", "reports"), "shop", Target("serviceaccount", "shop", "reports"), id="a name and -n"),
        pytest.param(("deployment/reports",), "shop", Target("deployment", "shop", "reports"), id="KIND/NAME and -n"),
        pytest.param(("pod/shop/reports-0",), "", Target("pod", "shop", "reports-0"), id="KIND/NS/NAME"),
        pytest.param(("deploy", "reports"), "", Target("deployment", "", "reports"), id="the context's namespace"),
    ],
)
def test_a_target(words: tuple[str, ...], namespace: str, target: Target | None) -> None:
    problems: list[str] = []

    assert target_of(words, namespace, problems) == target
    assert problems == []


_FORMS = "serviceaccount NS/NAME, pod NS/NAME, deployment NS/NAME, or KIND/NAME with --namespace"


@pytest.mark.parametrize(
    ("words", "namespace", "problem"),
    [
        pytest.param(("shop/reports",), "", f"'shop/reports' is none of: {_FORMS}", id="no kind"),
        pytest.param(("secret", "shop/a"), "", f"'secret shop/a' is none of: {_FORMS}", id="another kind"),
        pytest.param(("pod", "a/b/c"), "", f"'pod a/b/c' is none of: {_FORMS}", id="too many parts"),
        pytest.param(("pod", "Shop/a"), "", "'Shop' is not a namespace's name (DNS label)", id="no namespace's name"),
        pytest.param(("pod", "shop/A"), "", "'A' is not an object's name (DNS subdomain)", id="no object's name"),
        pytest.param(("pod", "shop/a"), "other", "--namespace: 'other' is not the namespace in 'shop/a'", id="two"),
    ],
)
def test_what_is_no_target(words: tuple[str, ...], namespace: str, problem: str) -> None:
    problems: list[str] = []

    target_of(words, namespace, problems)

    assert problems == [problem]
