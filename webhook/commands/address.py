"""An address of the form HOST:PORT, as flags such as --connect-to take it."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+(?:%\w+)?\]|[^\[\]:/\s]+):([0-9]{1,5})", re.ASCII)


def host_and_port(address: str) -> tuple[str, int] | None:
    """Returns the host (an IPv6 address without its brackets) and the port; None if it is not of that form."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) <= 65535:
        return None
    return match[1].strip("[]"), int(match[2])


def address_problems(flag: str, address: str) -> list[str]:
    """Returns the problem of a flag that takes HOST:PORT, if it is set to something else."""
    return [f"{flag}: {address!r} is not of the form HOST:PORT"] if address and host_and_port(address) is None else []
