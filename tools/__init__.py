"""The project's Python, run as `python -m tools.…` in the repository's root, in an environment of `scripts/setup`.

- local_aws: a local AWS, and what watches or stands between the functions and it.
- momento: what Momento does: its webhooks and its HTTP API.
- templates: CloudFormation's templates, read and evaluated without deploying them.
- functions: the functions' binaries, built, zipped and checked.
- commands: what a target of the Makefile starts.
- operations: what the scripts for a deployed stack share. Any Python from 3.9 on that has boto3 can run them.
- testing: what several tests share.
"""
