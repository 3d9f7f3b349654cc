"""Writes what is made from the code: config/contract.schema.json and config/RULES.md; with --check, only compares."""

import json
import sys
from pathlib import Path

from sidecar.contract.document import json_schema
from sidecar.reference import rules_markdown

CONFIG = Path(__file__).parents[2] / "config"


def main() -> int:
    texts = {
        "contract.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        "RULES.md": rules_markdown(),
    }
    stale = [name for name, text in texts.items() if not _is_current(CONFIG / name, text)]
    if "--check" not in sys.argv:
        for name in stale:
            (CONFIG / name).write_text(texts[name])
        return 0
    for name in stale:
        print(f"config/{name} is not what the code makes; run: make reference", file=sys.stderr)
    return 1 if stale else 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
