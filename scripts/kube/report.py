"""Reads the JSON lines of checks and prints PASS, FAIL or SKIP with what was seen and the fix.

    python3 -m scripts.kube.report EXPECTED_FILE [SKIPPED_NAME ...] <lines

EXPECTED_FILE holds the name of each check: one without a line has failed. Exit code: 0 every check passed or is skipped, 1 otherwise.
"""

import json
import sys
from pathlib import Path

from scripts.kube.kubectl import Object


def results(text: str) -> dict[str, Object]:
    """Returns the result of each check by its name; other lines are log lines."""
    lines = [line for line in text.splitlines() if line.startswith('{"check":')]
    return {result["check"]: result for result in map(json.loads, lines)}


def main(arguments: list[str]) -> int:
    """Print the table; returns the exit code."""
    seen, skipped, failed = results(sys.stdin.read()), set(arguments[1:]), 0
    names = Path(arguments[0]).read_text().splitlines()
    width = max(map(len, names))
    for name in names:
        result = seen.get(name, {"passed": False, "detail": "no result", "fix": "see the error above", "seconds": 0.0})
        word = "SKIP" if name in skipped else "PASS" if result["passed"] else "FAIL"
        print(f"{word} {name:{width}}  {'' if word == 'SKIP' else result['detail']}".rstrip())
        if word == "FAIL":
            failed += 1
            print(f"     {'':{width}}  fix: {result['fix']}")
    print(f"{failed} of {len(names) - len(skipped)} checks failed" if failed else f"all {len(names) - len(skipped)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
