"""Logging to standard error: one line for each record, as text or JSON, with a limit of lines per second.

A record may carry fields: `logger.info("message", extra={FIELDS: {...}})`. JSON has them beside the message; text has
them behind it, as `name=value` with the value in JSON.
"""

import json
import logging
import sys
import time
from typing import Any, Final, Literal

FIELDS: Final = "fields"
"""The name of a record's attribute that holds its fields: a dict of what JSON can hold."""

# klog's levels: -v=3 shows our DEBUG records, -v=5 also those of the libraries.
_DECISIONS: Final = 3
_EVERYTHING: Final = 5

_PER_SECOND: Final = 200


class _Text(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO webhook.server message field="value"`."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        return time.strftime(datefmt or "%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={json.dumps(value)}" for name, value in _fields(record).items())
        said = _printable(record.getMessage() + fields)
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {said}"
        if record.exc_info:
            # Indented and escaped: a traceback may quote a client's input, which must not look like a line of ours.
            line += "".join(f"\n    {_printable(part)}" for part in self.formatException(record.exc_info).split("\n"))
        return line


class _Json(_Text):
    """One JSON object per line: `time`, `level`, `logger`, `message`, the fields and, if there is one, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, FIELDS, {})
    return fields


def _printable(text: str) -> str:
    """Returns `text` with line ends and control characters escaped, because a terminal would obey them."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class _Limit(logging.Filter):
    """Limits the lines per second, because any client may cause lines; the next line says how many were dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._passed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        second = int(record.created)
        if second != self._second:
            dropped, self._second, self._passed = self._passed - _PER_SECOND, second, 0
            if dropped > 0:
                record.msg, record.args = f"{record.getMessage()} ({dropped} lines before this one were dropped)", ()
        self._passed += 1
        return self._passed <= _PER_SECOND


def configure_logs(verbosity: int, style: Literal["text", "json"]) -> None:
    """Sends the process's log to standard error; `verbosity` is klog's -v."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    handler.addFilter(_Limit())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbosity >= _EVERYTHING else logging.INFO)
    for ours in ("webhook", "certs"):
        logging.getLogger(ours).setLevel(logging.DEBUG if verbosity >= _DECISIONS else logging.INFO)
    if verbosity < _EVERYTHING:
        logging.getLogger("httpx").setLevel(logging.WARNING)
