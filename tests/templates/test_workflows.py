"""What the workflows on GitHub may do, as far as their text says it."""

from __future__ import annotations

import pytest
import yaml

from tools.paths import ROOT

# What compiles, or runs code that is downloaded.
BUILDS_OR_INSTALLS = ("make ", "cargo", "rustup", "pip", "npm", "apt-get", "scripts/setup", ".ci/run", "curl")


def jobs(name: str) -> dict[str, dict]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))["jobs"]


def test_the_job_that_attests_builds_and_installs_nothing():
    [attesting] = [job for job in jobs("release.yml").values() if "attestations" in job["permissions"]]
    commands = " ".join(step.get("run", "") for step in attesting["steps"])
    assert [command for command in BUILDS_OR_INSTALLS if command in commands] == []
    used = {step["uses"].split("@")[0] for step in attesting["steps"] if "uses" in step}
    assert {name.split("/")[0] for name in used} == {"actions"}


@pytest.mark.parametrize("job", ["test", "build", "contents"])
def test_a_job_of_the_release_that_builds_or_installs_may_only_read(job: str):
    assert jobs("release.yml")[job]["permissions"] == {"contents": "read"}


def test_the_templates_are_attested_like_the_zips():
    steps = jobs("release.yml")["release"]["steps"]
    [attested] = [step["with"] for step in steps if "attest-build-provenance" in step.get("uses", "")]
    assert {"build/*.zip", "build/*.yaml", "build/published/*.yaml"} <= set(attested["subject-path"].split())


def test_known_vulnerabilities_are_looked_for_without_a_change_too():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "advisories.yml").read_text(encoding="utf-8"))
    # YAML reads the key `on` as true.
    assert workflow[True]["schedule"]
    assert {"run": "make advisories"} in workflow["jobs"]["advisories"]["steps"]
