"""Access tokens: who they are from, what they say. Nothing here is imported in open mode."""

from __future__ import annotations

import importlib
import sys
from importlib.util import LazyLoader, find_spec, module_from_spec


def _load_when_used(package: str, name: str) -> None:
    """Has a package's module loaded by whoever first asks it for something, not by who imports it."""
    whole = f"{package}.{name}"
    spec = None if whole in sys.modules else find_spec(whole)
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules[whole] = module_from_spec(spec)
    spec.loader.exec_module(module)
    # As an import does: `from package import name` looks here first, and else asks the module, which loads it.
    setattr(importlib.import_module(package), name, module)


# PyJWT imports it for keys that come in certificates, which no key set of ours has: half of what PyJWT takes to load.
_load_when_used("cryptography", "x509")
