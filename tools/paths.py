"""Where things are in this checkout."""

import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".local" / "run"

# This machine's, as Lambda calls it.
ARCHITECTURE = "x86_64" if platform.machine() in ("x86_64", "AMD64") else "arm64"


def programs(environment: str) -> Path:
    """Where the programs of an environment are that scripts/setup makes."""
    return ROOT / ".local" / f"venv-{environment}" / "bin"
