"""The README's commands are executed as they stand, against the small demonstration."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
READY_SECONDS_MAX = 60


def blocks() -> list[str]:
    """Every shell block of the README, in order."""
    return re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a terminal in which the small demonstration is served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    home = tmp_path_factory.mktemp("readme")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    programs = str(Path(sys.executable).parent)
    path = f"{programs}{os.pathsep}{kept['PATH']}"
    environment = {**kept, "PATH": path, "LEDGER_HOME": str(home), "LEDGER_PORT": port}
    with (home / "service.log").open("wb") as log:
        service = subprocess.Popen(
            [f"{programs}/ledger", "demo", "--scale", "small"],
            env=environment,
            cwd=home,
            stdout=log,
            stderr=log,
        )
    try:
        _await(f"http://127.0.0.1:{port}/health/ready", home / "service.log")
        yield environment
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


def _await(address: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until:
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the demonstration does not serve:\n{log.read_text()[-2000:]}")


def test_what_make_offers_is_what_the_readme_says() -> None:
    """Every `make` word in the README is a target."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    words = re.findall(r"^make ([a-z]+)", "\n".join(blocks()), re.MULTILINE)

    assert words
    assert set(words) <= set(targets)


def test_every_command_of_the_readme_works(served: dict[str, str], tmp_path: Path) -> None:
    """One shell runs all blocks but the first, which sets up the machine; none may fail."""
    script = "set -euo pipefail\n" + "\n".join(blocks()[1:])

    run = subprocess.run(
        ["/bin/bash", "-c", script],
        env=served,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    printed = re.findall(r"^([0-9a-f]{64})  -$", run.stdout, re.MULTILINE)
    assert len(printed) == 1
    assert f'"leaf_hash":"{printed[0]}"' in run.stdout, "the export's hash is the ledger's"
    assert "Jiangyang Model Outlet" in run.stdout
    assert "Jiangyang District Outlet" in run.stdout


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Relative links name files that are there."""
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))

    assert [link for link in links if not (ROOT / link).exists()] == []
