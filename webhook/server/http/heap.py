"""Returns free memory of the C heap to the system after many connections have closed.

glibc by itself returns only the free end of the heap, and one buffer in use there blocks that. After a burst of
connections the process would stay as large as it was, and grow further with the next burst.
"""

import ctypes
from typing import Final

_malloc_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)


def trim() -> None:
    """Returns free memory to the system; takes some 5 ms per 100 MB. Does nothing if the C library is not glibc."""
    if _malloc_trim is not None:
        _malloc_trim(0)
