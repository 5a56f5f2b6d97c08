"""What scripts/put-back does with damaged records and with events that the queue refuses."""

from __future__ import annotations

import json

import pytest

from tools.testing.queue_scripts import SMALL, Queues, message, requests_of, run


def record(content: dict) -> str:
    kept = {"level": "ERROR", "requestId": content["requestId"], "outcome": "BothFailed", "queueMessage": content}
    return json.dumps(kept)


def test_good_records_go_back_and_each_bad_one_is_named(queues: Queues):
    lines = [
        record(message("good-1")),
        record(message("cut-off"))[:-9],
        record(message("good-2")),
        record(message("without-a-time")).replace("receivedAt", "received"),
        record(message("not-base64") | {"bodyBase64": "%"}).replace('"body": "{}", ', ""),
        record(message("good-3")),
    ]
    done = run(queues.aws, "put-back", "--queue-url", queues.new, "-", given="\n".join(lines))
    assert done.returncode == 1
    named = done.stderr.splitlines()
    assert [line.split(":")[0] for line in named[:-1]] == [
        "standard input, line 2, request cut-off",
        "standard input, line 4, request without-a-time",
        "standard input, line 5, request not-base64",
    ]
    assert "truncated" in named[0] and "does not have the fields" in named[1]
    assert named[-1] == "Not put back: 3. Each is named above."
    assert "Events put back: 3." in done.stdout
    assert requests_of(queues.visible(queues.new)) == ["good-1", "good-2", "good-3"]


def test_an_event_that_the_queue_refuses_is_named_and_the_others_go_back(queues: Queues):
    lines = [record(message("too-large", "x" * SMALL)), record(message("good"))]
    done = run(queues.aws, "put-back", "--queue-url", queues.new, "-", given="\n".join(lines))
    assert done.returncode == 1
    assert done.stderr.startswith("too-large: ")
    assert "Events put back: 1." in done.stdout
    assert requests_of(queues.visible(queues.new)) == ["good"]


@pytest.mark.parametrize("sources", [[], ["--log-group", "g", "records.json"]], ids=str)
def test_one_source_has_to_be_named(queues: Queues, sources: list[str]):
    done = run(queues.aws, "put-back", "--queue-url", queues.new, *sources)
    assert done.returncode == 2
    assert "one source" in done.stderr
