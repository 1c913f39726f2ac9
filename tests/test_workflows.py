"""The workflows are sound as far as can be told without running them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in PATHS
}
JOBS = [
    pytest.param(job, id=f"{workflow}, {name}")
    for workflow, content in WORKFLOWS.items()
    for name, job in content["jobs"].items()
]
CHECKS = "\n".join(
    (ROOT / ".ci" / name).read_text(encoding="utf-8") for name in ("run", "bioimageio")
)

# Commands of the workflows that .ci/run has no part in, and why.
ELSEWHERE = (
    r"git config --global",  # the machine of the workflow
    r"python -m pip ",  # environments, which .ci/run makes its own way
    r"uv pip install|python -m pytest -W default",  # gigabytes of old versions
    r"python -m pytest tests/widgets tests/test_manifest.py",  # another Qt binding
    r"grep ",  # the tag of a release
    r"gh release create",
)


# The bash of Windows itself belongs to a system that need not be installed.
BASH = None if sys.platform == "win32" else shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="no bash to read it")


def _steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    return job.get("steps", [])


def _commands() -> list[str]:
    jobs = [job for content in WORKFLOWS.values() for job in content["jobs"].values()]
    runs = [step["run"] for job in jobs for step in _steps(job) if "run" in step]
    return sorted({" ".join(run.split()) for run in runs})


@pytest.mark.parametrize("job", JOBS)
def test_job_ends_by_itself_and_names_its_machine(job: dict[str, Any]) -> None:
    assert 1 <= job["timeout-minutes"] <= 90
    assert job["runs-on"]
    assert all(("run" in step) != ("uses" in step) for step in _steps(job))


@pytest.mark.parametrize("job", JOBS)
def test_actions_are_named_with_a_version(job: dict[str, Any]) -> None:
    for step in _steps(job):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"])


@pytest.mark.parametrize("job", JOBS)
def test_variables_of_the_matrix_exist(job: dict[str, Any]) -> None:
    matrix = job.get("strategy", {}).get("matrix", {})
    known = {*matrix, *(key for part in matrix.get("include", ()) for key in part)}
    assert set(re.findall(r"\bmatrix\.(\w+)", yaml.safe_dump(job))) <= known


def test_one_action_has_one_version() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in PATHS)
    uses = re.findall(r"uses: ([\w/-]+)@(\S+)", texts)
    assert uses
    assert len(dict(uses)) == len(set(uses))


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_workflow_may_only_read_and_its_jobs_wait_for_each_other(workflow: str) -> None:
    content = WORKFLOWS[workflow]
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        waits = job.get("needs", [])
        named = {waits} if isinstance(waits, str) else set(waits)
        assert named <= set(content["jobs"])


def test_only_the_publishing_job_may_ask_for_an_identity() -> None:
    jobs = WORKFLOWS["release"]["jobs"]
    trusted = [n for n, job in jobs.items() if "id-token" in job.get("permissions", {})]
    assert trusted == ["publish"]
    assert jobs["publish"]["environment"] == "pypi"
    assert "secrets." not in yaml.safe_dump(WORKFLOWS)


@pytest.mark.parametrize("command", _commands())
def test_command_is_run_by_the_checks_here_too(command: str) -> None:
    if any(re.match(pattern, command) for pattern in ELSEWHERE):
        return
    if command == ".ci/run":
        assert (ROOT / command).is_file()
        return
    # Folders of results are named otherwise there.
    words = [w for w in command.split() if not re.match(r"(docs/_build|dist)\b", w)]
    place = r"[^\n]*".join(map(re.escape, words))
    assert re.search(place, CHECKS.replace("\\\n", " "))


@needs_bash
@pytest.mark.parametrize("command", _commands())
def test_command_is_shell_and_names_tests_that_exist(command: str) -> None:
    for path in re.findall(r"(?<!\S)(?:tests|\.ci)/[\w./]+", command):
        assert (ROOT / path).exists(), path
    plain = re.sub(r"\$\{\{.*?\}\}", "value", command)
    subprocess.run([str(BASH), "-nc", plain], check=True)


@needs_bash
@pytest.mark.parametrize("name", ["run", "bioimageio", "try_installed"])
def test_script_of_the_checks_is_shell_and_may_be_run(name: str) -> None:
    script = ROOT / ".ci" / name
    assert script.stat().st_mode & 0o100
    subprocess.run([str(BASH), "-n", str(script)], check=True)
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
