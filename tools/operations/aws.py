"""boto3 of the Python that runs the script, its errors, and the outputs of a stack."""

import sys

try:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    sys.exit("boto3 is missing. Run `python3 -m pip install boto3`, or use AWS CloudShell, which has it.")

AWS_ERRORS = (BotoCoreError, ClientError)

__all__ = ["AWS_ERRORS", "boto3", "stack_outputs"]


def stack_outputs(name):
    [stack] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
