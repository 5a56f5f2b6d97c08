"""A shell in a fresh clone of this repository, with the tools and credentials that a user has for the local AWS."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tools.local_aws.server import LocalAws
from tools.paths import ROOT, programs


class FreshClone:
    def __init__(self, aws: LocalAws, folder: Path, *environments: str):
        """`environments` are those of scripts/setup whose programs the user has."""
        self.path = folder / "clone"
        if not shutil.which("git") or not (ROOT / ".git").exists():
            raise RuntimeError(
                "These tests run in a fresh clone: install git, and run them in a clone of the repository."
            )
        subprocess.run(["git", "clone", "--quiet", "--no-local", "--depth=1", ROOT.as_uri(), self.path], check=True)
        home = Path.home()
        # Certificates of a company's own, for npm.
        trusted = {name: os.environ[name] for name in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE") if name in os.environ}
        self.environment = {
            **trusted,
            "PATH": os.pathsep.join([*(str(programs(name)) for name in environments), os.environ["PATH"]]),
            "HOME": str(folder),
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
            # What was compiled or downloaded for the last run is used again.
            "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")),
            "npm_config_cache": str(ROOT / ".local" / "npm"),
            "npm_config_prefer_offline": "true",
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_REGION": aws.region,
            "AWS_DEFAULT_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "LANG": "C.UTF-8",
        }

    def types(self, command: str, answers: str = "", folder: str = ".", **environment: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.path / folder,
            env=self.environment | environment,
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Without a terminal, questions are answered on standard input.
            start_new_session=True,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout
