"""The code blocks of a page in docs/."""

from __future__ import annotations

import re

from tools.paths import ROOT


def blocks(page: str, heading: str, language: str) -> list[str]:
    """The blocks of one language in the section under a heading of the second or third level."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = re.split(r"\n##+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
