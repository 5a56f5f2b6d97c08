"""examples/terraform against the template, and the example of docs/terraform-and-cdk.md in the local AWS."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT, programs
from tools.templates.resolver import PARAMETERS, TEMPLATE
from tools.testing.docs import blocks

MODULE = ROOT / "examples" / "terraform"
# Parses and evaluates a configuration, without Terraform.
EVALUATE = """import json, sys, tfparse
print(json.dumps(tfparse.load_from_path(sys.argv[1], stop_on_hcl_error=True)))"""


def evaluated(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The blocks of each kind."""
    done = subprocess.run([programs("iac") / "python", "-c", EVALUATE, folder], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def label(block: dict[str, Any]) -> str:
    return block["__tfmeta"]["label"]


BLOCKS = evaluated(MODULE)
VARIABLES = {label(block): block for block in BLOCKS["variable"]}
OUTPUTS = {label(block) for block in BLOCKS["output"]}
# What the module has in addition to the parameters of the template.
OWN = {"name", "template_url", "tags"}
SECRET = "whsec-of-terraform"


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def parameters(stack: dict[str, Any]) -> dict[str, str]:
    """As Terraform converts them for a map of strings."""
    return {name: str(value) for name, value in stack["parameters"].items()}


def test_the_variables_are_the_parameters_of_the_template():
    assert VARIABLES.keys() - OWN == {snake(name) for name in PARAMETERS}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_variable_has_the_parameters_type_default_and_secrecy(name: str):
    parameter, variable = PARAMETERS[name], VARIABLES[snake(name)]
    if parameter.get("AllowedValues") == ["yes", "no"]:
        expected: tuple = ("bool", parameter["Default"] == "yes")
    else:
        expected = ("number" if parameter["Type"] == "Number" else "string", parameter["Default"])
    assert (variable["type"], variable["default"]) == expected
    assert variable.get("sensitive", False) is parameter.get("NoEcho", False)
    assert variable["description"].endswith(".")
    if parameter["Type"] == "String" and "AllowedValues" in parameter and expected[0] == "string":
        assert variable["validation"]["condition"] is True
        assert all(value in variable["validation"]["error_message"] for value in parameter["AllowedValues"])


def test_only_the_address_of_the_template_has_to_be_given():
    assert [name for name, variable in VARIABLES.items() if "default" not in variable] == ["template_url"]


def test_the_outputs_are_the_outputs_of_the_template():
    assert {snake(name) for name in TEMPLATE["Outputs"]} == OUTPUTS
    text = (MODULE / "outputs.tf").read_text(encoding="utf-8")
    for name, output in TEMPLATE["Outputs"].items():
        [value] = re.findall(rf'output "{snake(name)}" {{\n.*\n  value +=(.*)\n}}', text)
        assert f'"{name}"' in value
        # An output whose condition is false is not there.
        assert ("lookup(" in value) is ("Condition" in output), name


def test_the_defaults_give_the_template_its_own_defaults_and_leave_the_secret_out():
    [stack] = BLOCKS["aws_cloudformation_stack"]
    defaults = {name: str(parameter["Default"]) for name, parameter in PARAMETERS.items()}
    del defaults["MomentoSecretString"]
    assert parameters(stack) == defaults
    assert stack["capabilities"] == ["CAPABILITY_IAM"]


def configuration(folder: Path, text: str) -> dict[str, Any]:
    """The stack of a configuration that uses the module."""
    (folder / "module").mkdir()
    for file in MODULE.glob("*.tf"):
        (folder / "module" / file.name).write_bytes(file.read_bytes())
    (folder / "main.tf").write_text(text)
    [stack] = evaluated(folder)["aws_cloudformation_stack"]
    return stack


def test_each_variable_reaches_its_parameter(tmp_path: Path):
    others = {"number": "7", "bool": "{}", "string": '"{}"'}
    given, expected = {}, {}
    for name, parameter in PARAMETERS.items():
        variable = VARIABLES[snake(name)]
        if variable["type"] == "bool":
            given[snake(name)] = str(not variable["default"]).lower()
            expected[name] = "no" if variable["default"] else "yes"
        elif variable["type"] == "number":
            given[snake(name)] = others["number"]
            expected[name] = "7"
        else:
            expected[name] = parameter.get("AllowedValues", [f"of {name}"])[-1]
            given[snake(name)] = f'"{expected[name]}"'
    lines = "\n".join(f"  {name} = {value}" for name, value in given.items())
    stack = configuration(tmp_path, f'module "all" {{\n  source = "./module"\n  template_url = "x"\n{lines}\n}}\n')
    assert parameters(stack) == expected


@pytest.mark.timeout(300)
def test_the_example_of_the_page_deploys_and_delivers(
    aws: LocalAws, make_bus: Callable[[str], BusWatch], tmp_path: Path
):
    [example] = blocks("terraform-and-cdk.md", "Terraform", "hcl")
    source = re.compile(r'source = "git::.*//examples/terraform\?.*"')
    stack = configuration(tmp_path, source.sub('source = "./module"', example))
    assert re.fullmatch(r"https://<prefix>-us-east-1\.s3\..*/<version>/template\.yaml", stack["template_url"])
    given = parameters(stack)
    assert (given["ExistingSecret"], given["EventLog"], given["LogDays"]) == ("momento/signing-secret", "yes", "14")

    bus = make_bus("terraform")
    vault = aws.client("secretsmanager")
    secret = vault.create_secret(Name=given["ExistingSecret"], SecretString=SECRET)["ARN"]
    try:
        own = {"EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
        outputs = aws.deploy(stack["name"], ROOT / "template.yaml", given | own)
        assert {snake(name) for name in outputs} <= OUTPUTS
        assert post_signed(aws.function_url_local(outputs["FunctionUrl"]), SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1
    finally:
        aws.delete(stack["name"])
        vault.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
