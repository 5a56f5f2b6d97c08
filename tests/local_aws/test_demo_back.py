"""make demo-back, as a reader runs it."""

import subprocess
import sys

from tools.paths import ROOT


def test_the_demo_reads_back_the_value_that_momentos_guide_promises() -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tools.commands.demo_back"], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=110
    )
    assert demo.returncode == 0, demo.stderr
    assert "  value    hello world!\n" in demo.stdout
