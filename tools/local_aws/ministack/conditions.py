"""Conditions that look into a value: ministack knows Ref and Select there, CloudFormation also Split, Join and Sub."""

import re
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

evaluate_resolved = engine._evaluate_conditions


def evaluate_conditions(template: dict, parameters: dict) -> dict:
    conditions = template.get("Conditions")
    if not conditions:
        return evaluate_resolved(template, parameters)
    return evaluate_resolved({**template, "Conditions": resolve(conditions, parameters)}, parameters)


def resolve(node: Any, parameters: dict) -> Any:
    if isinstance(node, list):
        return [resolve(item, parameters) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: resolve(value, parameters) for name, value in node.items()}
    if len(node) != 1:
        return node
    function, value = next(iter(node.items()))
    match function:
        case "Ref":
            return reference(value, parameters)
        case "Fn::Split":
            return value[1].split(value[0])
        case "Fn::Select":
            return engine._select(int(value[0]), value[1] if isinstance(value[1], list) else value[1].split(","))
        case "Fn::Join":
            return value[0].join(value[1])
        case "Fn::Sub":
            text, names = (value, {}) if isinstance(value, str) else value
            return re.sub(r"\$\{([^!}]+)\}", lambda found: names.get(found[1]) or reference(found[1], parameters), text)
    return node


def reference(name: str, parameters: dict) -> str:
    pseudo = {"AWS::AccountId": get_account_id(), "AWS::Region": get_region(), "AWS::Partition": "aws"}
    return parameters[name]["Value"] if name in parameters else pseudo[name]


def register_conditions() -> None:
    for module in (engine, handlers, changesets, stacks, provisioners):
        if hasattr(module, "_evaluate_conditions"):
            module._evaluate_conditions = evaluate_conditions
