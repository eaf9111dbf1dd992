"""The container files: what they run, copy and publish. No container engine is needed."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from matinee.cli.arguments import build_parser
from matinee.ops import inbox_watcher, up

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def pods() -> list[dict[str, Any]]:
    """The containers of the Kubernetes manifests, also those that run first."""
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes/matinee.yaml").read_text("utf-8"))
    specs = [each["spec"]["template"]["spec"] for each in documents if each["kind"] == "Deployment"]
    return [each for spec in specs for each in (*spec.get("initContainers", []), *spec["containers"])]


COMMANDS = [
    *(
        each["command"]
        for each in COMPOSE["services"].values()
        if each["image"] == "matinee" and "entrypoint" not in each
    ),
    *(pod["args"] for pod in pods()),
    *(shlex.split(line) for line in re.findall(r"(?:RUN|&&) matinee (.*?) ?\\?$", DOCKERFILE, re.MULTILINE)),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one_of_the_command_line(words: list[str]) -> None:
    match words:
        case ["up", *rest]:
            up.build_parser().parse_args(rest)
        case ["inbox-watcher", *rest]:
            inbox_watcher.build_parser().parse_args(rest)
        case ["server" | "worker", *rest]:  # options of Prefect, which the slow test runs
            assert {word for word in rest if word.startswith("--")} <= {
                "--host",
                "--port",
                "--pool",
                "--type",
            }
        case [verb, *rest]:
            build_parser().parse_args([verb, *rest])


def test_kubernetes_runs_what_compose_runs() -> None:
    services = COMPOSE["services"]
    for pod in pods():
        ours = services[pod["name"]]["command"]
        assert pod["args"] == [
            word for word in ours if not word.endswith(".token") and word != "--token-file"
        ]


def test_the_build_context_has_what_the_image_copies() -> None:
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for word in line.split()
    }
    allowed = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    assert copied == allowed
    assert all((ROOT / each).exists() for each in copied)


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_does_not_run_as_root() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001"]
