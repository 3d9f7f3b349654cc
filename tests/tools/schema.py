"""Writes config/contract.schema.json from the classes of the contract document; with --check, only compares."""

import json
import sys
from pathlib import Path

from sidecar.contract.document import json_schema

TARGET = Path(__file__).parents[2] / "config" / "contract.schema.json"


def main() -> int:
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        TARGET.write_text(text)
        return 0
    if not TARGET.is_file() or TARGET.read_text() != text:
        print(f"{TARGET.name} is not what the code makes; run: make schema", file=sys.stderr)
        return 1
    print(f"{TARGET.name} is what the code makes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
