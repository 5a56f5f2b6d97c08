"""The environment of every tool: what the tools need of the caller's variables, and nothing else.

`python3 -I tools/environment.py COMMAND…` runs a command in it. scripts/environment does so for each script, and
scripts/shell for each line of the Makefile.
"""

import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where programs, folders and the network are, which Rust is used, and how output looks. Nothing says how to compile.
NEEDED = """
PATH HOME USER LOGNAME TMPDIR LANG LC_* TERM NO_COLOR CI LD_LIBRARY_PATH NIX_LD* XDG_CACHE_HOME XDG_CONFIG_HOME
*_proxy *_PROXY SSL_CERT_FILE SSL_CERT_DIR NIX_SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS
CARGO_HOME CARGO_TARGET_DIR CARGO_BUILD_JOBS CARGO_HTTP_* CARGO_NET_* CARGO_REGISTRIES_* CARGO_TERM_*
RUSTUP_* RUST_BACKTRACE PYENV_* ASDF_* MISE_*
PYTHONDONTWRITEBYTECODE PYTEST_CURRENT_TEST PYTEST_XDIST_*
PIP_CONFIG_FILE PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_TRUSTED_HOST PIP_CERT PIP_CLIENT_CERT
PIP_PROXY PIP_TIMEOUT PIP_DEFAULT_TIMEOUT PIP_RETRIES PIP_CACHE_DIR
npm_config_registry npm_config_cafile npm_config_cache
ARCHITECTURE PROFILE TEST_BINARIES UPDATE_DOCS
"""
# Says that the environment is made already, for which checkout.
MADE_FOR = "TOOLS_OF_CHECKOUT"
# A script or target names additional variables here.
ALSO = "TOOLS_ALSO_NEED"
# Don't read ~/.aws, and don't call an instance's metadata service.
NO_PROFILE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
LOOPBACK = "127.0.0.1,localhost"


def needed(caller):
    patterns = NEEDED.split() + caller.get(ALSO, "").split()
    return {name: value for name, value in caller.items() if any(fnmatchcase(name, each) for each in patterns)}


def isolate():
    """Frees this process, for a local AWS, of what it doesn't need, and keeps loopback off any proxy."""
    for name in os.environ.keys() - needed(os.environ).keys():
        del os.environ[name]
    os.environ.update(NO_PROFILE)
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    # "*" means every host, but only if it is the only entry.
    excluded = given if given == "*" else ",".join(filter(None, [given, LOOPBACK]))
    os.environ.update(NO_PROXY=excluded, no_proxy=excluded)


def main():
    # An older Python must be able to parse this file, to print the error.
    if sys.version_info < (3, 11):  # noqa: UP036
        found = sys.version.split()[0]
        sys.exit(f"Python 3.11 or later is needed, and python3 is {found}. Put a newer one first on the PATH.")
    program, *arguments = sys.argv[1:]
    if Path(program).exists():
        program = str(Path(program).resolve())
    os.execvpe(program, [program, *arguments], {**needed(os.environ), MADE_FOR: str(ROOT)})


if __name__ == "__main__":
    main()
