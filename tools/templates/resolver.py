"""A template as CloudFormation sees it, without deploying it: template.yaml, or the one that a Resolver is given.

resolve() answers the intrinsic functions for given parameters. A resource stands as its logical id: `Ref` gives <Id>,
`GetAtt` <Id.Attribute>.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tools.paths import ROOT
from tools.templates.reader import read_template

PATH = ROOT / "template.yaml"
TEMPLATE = read_template(PATH.read_text())
RESOURCES: dict[str, dict] = TEMPLATE["Resources"]
PARAMETERS: dict[str, dict] = TEMPLATE["Parameters"]
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Region": "eu-west-1",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "momento",
    "AWS::StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/momento/0a1b2c3d-0000-4000-8000-000000000001",
}
NO_VALUE = object()


def of_type(kind: str) -> dict[str, dict]:
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


class Resolver:
    def __init__(self, template: dict = TEMPLATE, region: str = PSEUDO["AWS::Region"], **given: Any):
        self.template = template
        self.resources = template["Resources"]
        self.pseudo = {**PSEUDO, "AWS::Region": region}
        self.parameters = {
            name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()
        }
        self.parameters |= {name: str(value) for name, value in given.items()}

    def exists(self, logical_id: str) -> bool:
        condition = self.resources[logical_id].get("Condition")
        return condition is None or self.condition(condition)

    def properties(self, logical_id: str) -> dict:
        return self.resolve(self.resources[logical_id]["Properties"])

    def condition(self, name: str) -> bool:
        return self.resolve(self.template["Conditions"][name])

    def refusals(self) -> list[str]:
        """The sentences of the rules that refuse a deployment."""
        asserted = [
            assertion
            for rule in self.template.get("Rules", {}).values()
            if self.resolve(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
        ]
        return [each["AssertDescription"] for each in asserted if not self.resolve(each["Assert"])]

    def resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name in ("Ref", "Condition") and isinstance(argument, str):
                return self.reference(argument) if name == "Ref" else self.condition(argument)
            if name.startswith("Fn::"):
                return self.function(name.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not NO_VALUE}

    def reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.parameters:
            return self.parameters[name]
        if name in self.pseudo:
            return self.pseudo[name]
        assert name in self.resources, f"{name} is neither a parameter nor a resource"
        assert self.exists(name), f"{name} is referred to, and is not there"
        return f"<{name}>"

    def attribute(self, name: str, attribute: str) -> str:
        assert self.exists(name), f"{name} is referred to, and is not there"
        return f"<{name}.{attribute}>"

    def function(self, name: str, argument: Any) -> Any:
        if name == "If":
            return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])
        if name == "GetAtt":
            return self.attribute(*argument)
        if name == "Sub":
            text, own = (argument, {}) if isinstance(argument, str) else argument
            own = self.resolve(own)
            return re.sub(r"\$\{([^}]+)}", lambda match: str(self.substitute(match[1], own)), text)
        values = self.resolve(argument)
        match name:
            case "Equals":
                return str(values[0]) == str(values[1])
            case "Not":
                return not values[0]
            case "And":
                return all(values)
            case "Or":
                return any(values)
            case "Join":
                return values[0].join(values[1])
            case "Split":
                return values[1].split(values[0])
            case "Select":
                return values[1][int(values[0])]
            case "Contains":
                return values[1] in values[0]
            case "FindInMap":
                return self.template["Mappings"][values[0]][values[1]][values[2]]
        raise AssertionError(f"The template uses Fn::{name}, which this reader does not know")

    def substitute(self, name: str, own: dict[str, Any]) -> Any:
        if name in own:
            return own[name]
        return self.attribute(*name.split(".", 1)) if "." in name else self.reference(name)

    def dashboard(self) -> list[dict]:
        return json.loads(self.properties("OverviewDashboard")["DashboardBody"])["widgets"]
