"""Writes docs/procedures/tables: diagram and table of every procedure, from `ferryman.platform.transitions`.

`python tools/transition_tables.py` writes what has changed; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from ferryman.platform.transitions import Table, page
from ferryman.sm_dp.transitions import TABLES as SM_DP
from ferryman.sm_sr.transitions import HALVES
from ferryman.sm_sr.transitions import TABLES as SM_SR

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "procedures" / "tables"
HEADER = "<!-- Made by tools/transition_tables.py from the table in the code: change it there. -->"


def pages() -> dict[str, str]:
    """File name and text of every page; tables that several step functions share are one page."""
    made: dict[str, str] = {}
    done: list[Table] = []
    for role, tables in (("sm_dp", SM_DP), ("sm_sr", SM_SR)):
        for name, table in tables.items():
            if any(table is one for one in done):
                continue
            done.append(table)
            sharing = [other for other, one in tables.items() if one is table]
            made[_file(name)] = _text(table, [f"src/ferryman/{role}/procedures/{one}.py" for one in sharing])
    for name, table in HALVES.items():
        made[_file(name)] = _text(table, ["src/ferryman/sm_sr/procedures/channel.py"])
    return made


def _file(name: str) -> str:
    return f"{name.replace('_', '-')}.md"


def _text(table: Table, sources: list[str]) -> str:
    named = ", ".join(f"`{one}`" for one in sources)
    return (
        f"{HEADER}\n\n# {table.name}\n\nStep function: {named}. "
        f"Effects in brackets may be missing; what no row names changes nothing.\n\n{page(table)}\n"
    )


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
