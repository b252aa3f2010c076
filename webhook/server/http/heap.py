"""The C heap, where connections have their buffers: given back to the system once they are gone.

glibc returns what is free at its end only, and one survivor there keeps all below it: after a storm of connections the
process would stay as large as it once was, and grow with the next.
"""

import ctypes
from typing import Final

_malloc_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)


def trim() -> None:
    """Returns what is free to the system: some 5 ms for each 100 MB. Another C library than glibc does so by itself."""
    if _malloc_trim is not None:
        _malloc_trim(0)
