"""Profile packages in the TCA interoperable format (eUICC Profile Package: Interoperable Format, 2.1 to 3.3.1).

`decode` and `encode` work on whole packages; values are plain Python as `types` explains.
"""

from __future__ import annotations

from ferryman.codec.saip.package import Package, ProfileElement, decode, encode
from ferryman.codec.saip.types import Slot, Value

__all__ = ["Package", "ProfileElement", "Slot", "Value", "decode", "encode"]
