"""One harness under libFuzzer, for long campaigns: `python tests/fuzz/libfuzzer.py NAME [libFuzzer options]`.

Needs the package `atheris`, which nothing else of this project does; the engine of `make test` and `make soak` is
`engine.py`. Options behind the name go to libFuzzer as they are, for example `-max_total_time=600`; the seeds and
the past crashes are read in any case.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(arguments: list[str]) -> int:
    """Never returns once the campaign runs: libFuzzer ends the process."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write("libfuzzer: the package atheris is not installed here\n")
        return 2
    with atheris.instrument_imports(include=["ferryman"]):
        from fuzz.harnesses import HARNESSES, HERE
    if not arguments or arguments[0] not in HARNESSES:
        sys.stderr.write(f"libfuzzer: name one of {', '.join(HARNESSES)}\n")
        return 2
    harness = HARNESSES[arguments[0]]
    words = tempfile.NamedTemporaryFile("w", suffix=".dict", delete=False)  # noqa: SIM115 - libFuzzer reads it
    with words:
        for word in harness.words:
            words.write('"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n')
    folders = [
        str(folder) for kind in ("corpus", "regressions") if (folder := HERE / kind / harness.name).is_dir()
    ]
    found = tempfile.mkdtemp(prefix=f"fuzz-{harness.name}-")
    limits = [f"-max_len={harness.max_size}", "-timeout=5", "-rss_limit_mb=1024", f"-dict={words.name}"]
    # libFuzzer writes what it finds into the first folder: never into the tree.
    atheris.Setup([sys.argv[0], *limits, *arguments[1:], found, *folders], harness.check)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
