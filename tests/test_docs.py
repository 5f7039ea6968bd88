"""Every command that a page shows exists: its options parse, its scenarios are there, and so are its make targets."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from lab.cli import app

REPOSITORY = Path(__file__).parents[1]


def pages() -> list[Path]:
    folders = ("engine", "lab", "scenarios", "traffic", "results", "tests", "ci")
    below = [page for folder in folders for page in sorted((REPOSITORY / folder).rglob("*.md"))]
    return [*REPOSITORY.glob("*.md"), *below]


def commands() -> list[tuple[str, str]]:
    """(page, command line) of every command in an indented block or in backquotes."""
    found = []
    for page in pages():
        text = page.read_text()
        lines = re.findall(r"^    ((?:tailgate|make) [^\n]*)$", text, re.MULTILINE)
        lines += re.findall(r"`((?:tailgate|make) [^`\n]+)`", text)
        found += [(page.relative_to(REPOSITORY).as_posix(), line) for line in lines]
    return found


def words_of(line: str) -> list[str]:
    return [word for word in shlex.split(line, comments=True) if word != "..."]


def resolve(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words lead to, and the words left for it."""
    command: click.Command = app
    while isinstance(command, click.Group) and arguments:
        name, *arguments = arguments
        found = command.commands.get(name)
        assert found is not None, f"there is no command {name}"
        command = found
    return command, arguments


ALL = commands()


def test_the_pages_show_commands() -> None:
    assert len(ALL) > 20


@pytest.mark.parametrize(("page", "line"), ALL, ids=[f"{page}: {line}" for page, line in ALL])
def test_a_command_shown_exists_and_its_arguments_parse(page: str, line: str) -> None:
    program, *arguments = words_of(line)
    if program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
        assert set(arguments) <= targets
        return
    command, rest = resolve(arguments)
    if not isinstance(command, click.Group):
        command.make_context(command.name, list(rest), resilient_parsing=True)
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known
    for word in rest:
        if word.startswith("scenarios/"):
            path = REPOSITORY / word
            assert path.is_dir() or path.with_suffix(".yaml").is_file(), f"{word} is not there"
