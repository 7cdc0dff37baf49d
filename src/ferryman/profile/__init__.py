"""Profile factory, pure part: templates, personalisation and subscription files; no I/O, no keys at rest.

It stands between `codec.saip` (how a package is written) and the roles (who may order one).
"""

from __future__ import annotations

from ferryman.profile.demo_template import demo_template
from ferryman.profile.slots import derive_public, derive_secret
from ferryman.profile.template import CompiledTemplate, TemplateSlot, compile_template

__all__ = [
    "CompiledTemplate",
    "TemplateSlot",
    "compile_template",
    "demo_template",
    "derive_public",
    "derive_secret",
]
