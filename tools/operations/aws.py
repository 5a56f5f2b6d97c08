"""boto3 of the Python that runs the script, and its errors."""

import sys

try:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    sys.exit("boto3 is missing. Run `python3 -m pip install boto3`, or use AWS CloudShell, which has it.")

AWS_ERRORS = (BotoCoreError, ClientError)

__all__ = ["AWS_ERRORS", "boto3"]
