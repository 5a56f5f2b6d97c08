"""What scripts/put-back does with damaged records, and with records in the files of AWS and its tools."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.local_aws.server import LocalAws
from tools.testing.queue_scripts import SMALL, Queues, message, requests_of, run, two_queues


@pytest.fixture
def queues(aws: LocalAws) -> Iterator[Queues]:
    with two_queues(aws) as queues:
        yield queues


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


def test_output_of_the_aws_tool_that_is_cut_off_is_named_and_never_skipped_in_silence(queues: Queues):
    page = json.dumps({"events": [{"message": record(message(name))} for name in ("first", "second")]}, indent=4)
    whole = run(queues.aws, "put-back", "--queue-url", queues.new, "-", given=page)
    assert (whole.returncode, requests_of(queues.visible(queues.new))) == (0, ["first", "second"])
    cut_off = run(queues.aws, "put-back", "--queue-url", queues.new, "-", given=page[:-90])
    assert (cut_off.returncode, requests_of(queues.visible(queues.new))) == (1, ["first"])
    assert "standard input, line 7, request second: The record is truncated" in cut_off.stderr


def test_files_as_powershell_and_an_export_to_s3_write_them_go_back(queues: Queues, tmp_path: Path):
    files = {"powershell": "utf-16", "export.gz": "utf-8"}
    for name, encoding in files.items():
        text = json.dumps({"queueMessage": message(name, "a\u2028b\u0085c")}, ensure_ascii=False).encode(encoding)
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    done = run(queues.aws, "put-back", "--queue-url", queues.new, *(str(tmp_path / name) for name in files))
    assert (done.returncode, done.stderr) == (0, "")
    assert requests_of(queues.visible(queues.new)) == ["export.gz", "powershell"]


@pytest.mark.parametrize("sources", [[], ["--log-group", "g", "records.json"]], ids=str)
def test_one_source_has_to_be_named(queues: Queues, sources: list[str]):
    done = run(queues.aws, "put-back", "--queue-url", queues.new, *sources)
    assert done.returncode == 2
    assert "one source" in done.stderr
