"""docs/security-review.md against the templates: every resource, every action of a role, and a boundary that fits."""

from __future__ import annotations

import json
import re

import pytest

from tools.paths import ROOT
from tools.templates.reader import read_template
from tools.templates.resolver import RESOURCES, TEMPLATE, Resolver
from tools.templates.variants import combinations
from tools.testing.docs import blocks

PAGE = (ROOT / "docs" / "security-review.md").read_text(encoding="utf-8")
BACK = read_template((ROOT / "api-destinations.yaml").read_text(encoding="utf-8"))
# Parts of a resource that is named itself, and what the page names as a group.
PARTS = re.compile(
    r"(Policy|Permission|Alarm|Query|Dashboard|Role|Source|Mapping|Domain|Integration|Route|Stage)$|^Kept"
)


def section(heading: str) -> str:
    return re.split(r"\n## ", PAGE.split(f"\n## {heading}\n", 1)[1], maxsplit=1)[0]


def actions(template: dict, name: str) -> set[str]:
    """What a role may do in any of the combinations, but for keys."""
    found = set()
    for values in combinations(name):
        resolver = Resolver(template, **values)
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] == "AWS::IAM::Role" and resolver.exists(logical_id):
                for statement in resolver.properties(logical_id)["Policies"][0]["PolicyDocument"]["Statement"]:
                    named = statement["Action"]
                    found |= {(logical_id, each) for each in ([named] if isinstance(named, str) else named)}
    return found


def documented_actions() -> set[tuple[str, str]]:
    role, found = "", set()
    for line in section("Roles").splitlines():
        if line.startswith("| ") and (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] != "role":
            named = re.match(r"`(\w+)`", cells[0])
            role = named[1] if named else role
            found |= {(role, action) for action in re.findall(r"`(\w+:\w+)`", cells[1])}
    return found


def test_the_page_lists_exactly_what_the_roles_may_do():
    used = {(role, action) for role, action in actions(TEMPLATE, "template.yaml") if not action.startswith("kms:")}
    assert documented_actions() == used


@pytest.mark.parametrize("name", [name for name in RESOURCES if not PARTS.search(name)])
def test_the_page_names_every_resource(name: str):
    assert f"`{name}`" in section("Resources")


def test_the_documented_boundary_allows_all_that_the_roles_use_and_nothing_else():
    [policy] = blocks("security-review.md", "Permissions boundary and role path", "json")
    [statement] = json.loads(policy)["Statement"]
    assert set(statement["Action"]) == {action for _, action in actions(TEMPLATE, "template.yaml")}
    for_back = {action for _, action in actions(BACK, "api-destinations.yaml")}
    assert for_back - set(statement["Action"]) == {"events:InvokeApiDestination"}
    assert "must also allow `events:InvokeApiDestination`" in section("EventBridge to Momento")
