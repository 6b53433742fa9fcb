"""The commands of the Dockerfile in an empty environment; the image is not built."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def instructions():
    """Instructions and their arguments, in order."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.extras
@pytest.mark.slow
@pytest.mark.skipif(
    "SKADAPTIVE_TESTS_INSTALL" not in os.environ,
    reason="SKADAPTIVE_TESTS_INSTALL is not set; make test-extras sets it",
)
def test_an_empty_environment_serves(tmp_path):
    """What is copied installs, and starts; no backend is there."""
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env/bin"
    for instruction, arguments in instructions():
        if instruction == "COPY":
            *names, target = arguments.split()
            folder = tmp_path / target.strip("/")
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, folder)
                else:
                    folder.mkdir(exist_ok=True)
                    shutil.copy(ROOT / name, folder)
        if instruction == "RUN" and arguments.startswith("pip"):
            install = arguments.replace("/src", f"{tmp_path}/src")
            subprocess.run(f"{programs}/{install} --quiet", shell=True, check=True)
    (model,) = sorted((ROOT / "tests/data").glob("*0.1.0*.model"))[:1]
    (tmp_path / "models").mkdir()
    shutil.copy(model, tmp_path / "models/served.model")
    port = str(free_port())
    changes = {"/models": f"{tmp_path}/models", "0.0.0.0": "127.0.0.1", "8000": port}
    pattern = "|".join(map(re.escape, changes))

    def here(text):
        return json.loads(re.sub(pattern, lambda m: changes[m.group()], text))

    commands = dict(instructions())
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    program, *arguments = here(commands["CMD"])
    server = subprocess.Popen([programs / program, *arguments], env=env)
    try:
        _, _, check = commands["HEALTHCHECK"].partition("CMD ")
        python, *arguments = here(check)
        end = time.monotonic() + 120
        while subprocess.run(
            [programs / python, *arguments], env=env, stderr=-3
        ).returncode:
            assert server.poll() is None and time.monotonic() < end
            time.sleep(1)
        url = f"http://127.0.0.1:{port}/health"
        with urllib.request.urlopen(url) as answer:
            assert json.load(answer)["status"] == "ok"
    finally:
        server.terminate()
    assert server.wait(60) == 0
    packages = subprocess.run(
        [programs / "pip", "list"], capture_output=True, text=True, check=True
    ).stdout
    assert "fastapi" in packages
    assert "tensorflow" not in packages and "jax" not in packages
