"""Fails when a clock, randomness, I/O or logging is imported where only bytes and state machines may live."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src" / "ferryman"
PURE = (
    *("codec", "profile", "secure", "workflow"),
    *(
        "sm_dp/procedures",
        "sm_sr/procedures",
        "sm_sr/policy.py",
        "sm_sr/euicc_type.py",
        "sm_sr/targets.py",
        "sm_sr/verdict.py",
        "sm_dp/eligibility.py",
    ),
    "soap_gateway/esm",
    *(
        f"client/{name}.py"
        for name in ("calls", "conversation", "credentials", "following", "server_sent", "tagged")
    ),
    "client/methods",
)
FORBIDDEN = frozenset(
    (
        *("asyncio", "socket", "ssl", "selectors", "threading", "multiprocessing", "subprocess", "concurrent"),
        *("time", "random", "secrets", "uuid", "os", "io", "tempfile", "shutil", "urllib", "http"),
        *("logging", "structlog", "sqlalchemy", "sqlite3", "asyncpg", "alembic"),
    )
)
HARMLESS = frozenset(("urllib.parse",))  # text alone
CLOCK_CALLS = frozenset(("now", "utcnow", "today"))


def problems(path: Path, name: str) -> list[str]:
    """What a module does that it must not, with line numbers."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        for module in _imported(node):
            top = module.split(".")[0]
            if top in FORBIDDEN and module not in HARMLESS:
                found.append(f"{name}:{_line(node)}: imports {module}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS:
            base = ast.unparse(node.func.value)
            if base.split(".")[-1] in ("datetime", "date"):
                found.append(f"{name}:{node.lineno}: reads the clock ({base}.{node.func.attr})")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print"):
            found.append(f"{name}:{node.lineno}: calls {node.func.id}()")
    return found


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def modules(root: Path) -> list[Path]:
    """Every module that must be pure."""
    found: list[Path] = []
    for place in PURE:
        path = root / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def main(root: Path = ROOT) -> int:
    """Exit status: 0 when everything is pure."""
    found = [line for path in modules(root) for line in problems(path, str(path.relative_to(root)))]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
