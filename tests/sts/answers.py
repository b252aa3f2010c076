"""The XML of STS's answers, API version 2011-06-15."""

import xml.etree.ElementTree as ET
from datetime import datetime
from typing import Final
from uuid import uuid4

from tests.sts.refusal import Refusal
from tests.sts.sessions import Session

_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"

Tree = dict[str, "str | Tree"]


def assumed(session: Session, subject: str, audience: str, provider: str) -> bytes:
    """Returns the answer of AssumeRoleWithWebIdentity."""
    return _result(
        "AssumeRoleWithWebIdentity",
        {
            "Credentials": {
                "AccessKeyId": session.access_key,
                "SecretAccessKey": session.secret_key,
                "SessionToken": session.token,
                "Expiration": _time(session.expires),
            },
            "AssumedRoleUser": {"Arn": session.arn, "AssumedRoleId": session.user_id},
            "SubjectFromWebIdentityToken": subject,
            "Audience": audience,
            "Provider": provider,
        },
    )


def caller(session: Session) -> bytes:
    """Returns the answer of GetCallerIdentity."""
    result: Tree = {"Arn": session.arn, "UserId": session.user_id, "Account": session.account}
    return _result("GetCallerIdentity", result)


def refused(refusal: Refusal) -> bytes:
    error: Tree = {"Type": "Sender", "Code": refusal.code, "Message": refusal.message}
    return _document("ErrorResponse", {"Error": error, "RequestId": str(uuid4())})


def _result(action: str, result: Tree) -> bytes:
    metadata: Tree = {"RequestId": str(uuid4())}
    return _document(f"{action}Response", {f"{action}Result": result, "ResponseMetadata": metadata})


def _document(name: str, tree: Tree) -> bytes:
    root = ET.Element(name, xmlns=_NAMESPACE)
    _fill(root, tree)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _fill(element: ET.Element, tree: Tree) -> None:
    for name, value in tree.items():
        child = ET.SubElement(element, name)
        if isinstance(value, str):
            child.text = value
        else:
            _fill(child, value)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
