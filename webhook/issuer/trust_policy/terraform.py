"""A trust policy that `render_policy` made, as Terraform: a data source `aws_iam_policy_document`.

The layout is that of `terraform fmt`. Strings are escaped as the specification of HCL's native syntax says.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

NAME: Final = "trust"
"""The data source's name: a role takes `data.aws_iam_policy_document.trust.json` as its assume_role_policy."""

_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "$${", "%{": "%%{"}
_ESCAPED: Final = re.compile(r'[$%]\{|[\\"]|[\x00-\x1f\x7f-\x9f\u2028\u2029]')


def as_terraform(policy: dict[str, Any]) -> str:
    """Returns the policy as HCL, with a line end."""
    lines = [f'data "aws_iam_policy_document" "{NAME}" {{']
    for index, statement in enumerate(policy["Statement"]):
        lines += ["", *_statement(statement)] if index else _statement(statement)
    return "\n".join([*lines, "}", ""])


def quoted(text: str) -> str:
    """Returns `text` as a string of HCL, without templates in it."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


def _statement(statement: dict[str, Any]) -> Iterator[str]:
    yield "  statement {"
    yield f"    effect  = {quoted(statement['Effect'])}"
    yield f"    actions = [{quoted(statement['Action'])}]"
    for kind, identifier in statement["Principal"].items():
        yield from ("", "    principals {", f"      type        = {quoted(kind)}")
        yield from (f"      identifiers = [{quoted(identifier)}]", "    }")
    for operator, keys in statement["Condition"].items():
        for key, values in keys.items():
            yield from ("", "    condition {", f"      test     = {quoted(operator)}")
            yield f"      variable = {quoted(key)}"
            yield from _values([values] if isinstance(values, str) else values)
            yield "    }"
    yield "  }"


def _values(values: list[str]) -> Iterator[str]:
    if len(values) == 1:
        yield f"      values   = [{quoted(values[0])}]"
        return
    yield "      values = ["
    yield from (f"        {quoted(value)}," for value in values)
    yield "      ]"
