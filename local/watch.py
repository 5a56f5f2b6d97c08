"""For work on the handler: a local AWS, `cargo lambda watch` over it, and each event as it comes over the bus."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from bus_watch import BusWatch
from local_aws import ROOT, LocalAws

SECRET = "whsec-local"
URL = "http://127.0.0.1:9000/lambda-url/webhook/"
BIN = ROOT / ".local" / "venv-build" / "bin"


def watch() -> int:
    # A webhook that waited for the first build would be too old by then.
    built = subprocess.run(["cargo", "build", "--bin", "webhook", "--example", "send"], cwd=ROOT)
    if built.returncode != 0:
        return built.returncode
    with LocalAws(auth=False) as aws, BusWatch(aws) as bus:
        queue = aws.client("sqs").create_queue(QueueName="retry")["QueueUrl"]
        environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "SIGNING_SECRET": SECRET,
            "RETRY_QUEUE_URL": queue,
        }
        arguments = ["cargo", "lambda", "watch", "--bin", "webhook"]
        print(f"Post to {URL} what is signed with {SECRET}, for example in a second terminal:\n", flush=True)
        print(
            f"  cargo run --example send -- --url {URL} --secret {SECRET} --cache serverless --topic test --text hi\n"
        )
        print("Events are shown here as they come over the bus. Ctrl-C ends it all.\n", flush=True)
        process = subprocess.Popen(arguments, cwd=ROOT, env=environment)
        try:
            while process.poll() is None:
                for event in bus.receive(seconds=1):
                    print(json.dumps(event, indent=2, ensure_ascii=False), flush=True)
        except KeyboardInterrupt:
            pass
        finally:
            process.terminate()
        return process.wait()


if __name__ == "__main__":
    sys.exit(watch())
