"""Reads the beginning of an answer: whoever sends it decides how long it is, and whether it ever ends."""

import httpx


async def beginning(answer: httpx.Response, most: int) -> bytes:
    """Returns the body of a streamed answer; if it has more than `most` bytes, more than `most` of them."""
    body = bytearray()
    async for part in answer.aiter_bytes(most + 1):
        body += part
        if len(body) > most:
            break
    return bytes(body)
