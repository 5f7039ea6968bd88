"""Every error the lab raises on purpose; leaves one message that says what, where, why and what to type next.

    TailgateError            2   anything that stopped the lab before a verdict (never green, never a FAIL)
    |-- UsageError          64   the command line, a path or a run directory is wrong
    |   `-- ScenarioError   64   a scenario file is wrong; carries every problem found, each with file:line
    |-- MissingError        69   a program, package, privilege or kernel feature is absent; says how to get it
    `-- UndecidedError       2   the run took place, but what it left cannot be judged

An error's ``exit_code`` is what the process exits with. PASS is 0 and FAIL is 1, so no error uses either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = ["MissingError", "Problem", "ScenarioError", "TailgateError", "UndecidedError", "UsageError"]


class TailgateError(Exception):
    """Base of the tree. ``what`` failed, ``where`` (file, line, packet), ``why``, and what ``todo`` next."""

    exit_code: ClassVar[int] = 2

    def __init__(
        self, what: str, *, where: str | None = None, why: str | None = None, todo: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.todo = todo

    def __str__(self) -> str:
        """One line: "where: what: why; next: todo"."""
        parts = [part for part in (self.where, self.what, self.why) if part]
        text = ": ".join(parts) + (f"; next: {self.todo}" if self.todo else "")
        return " ".join(text.split())

    def to_json(self) -> Mapping[str, object]:
        """The same content for ``--json`` readers."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "todo": self.todo,
        }


class UsageError(TailgateError):
    """The user asked for something that cannot be asked; nothing was started."""

    exit_code: ClassVar[int] = 64


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in one place of one scenario file. ``line`` counts from 1; 0 means the whole file."""

    file: str
    line: int
    key: str
    message: str
    hint: str | None = None

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return " ".join(f"{self.where}: {key}{self.message}{hint}".split())


class ScenarioError(UsageError):
    """One or more scenario files are wrong; ``problems`` holds all of them, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'' if count == 1 else 's'} in the scenario",
            where=self.problems[0].where if self.problems else None,
            todo="tailgate schema prints every key, its unit and its default",
        )

    def __str__(self) -> str:
        """One line per problem, and nothing else."""
        return "\n".join(str(problem) for problem in self.problems)

    def to_json(self) -> Mapping[str, object]:
        problems = [
            {"file": p.file, "line": p.line, "key": p.key, "message": p.message, "hint": p.hint}
            for p in self.problems
        ]
        return {**super().to_json(), "problems": problems}


class MissingError(TailgateError):
    """Something this host lacks; ``install`` is the command that provides it."""

    exit_code: ClassVar[int] = 69

    def __init__(self, what: str, *, install: str, where: str | None = None, why: str | None = None) -> None:
        super().__init__(what, where=where, why=why, todo=install)
        self.install = install


class UndecidedError(TailgateError):
    """The run cannot be judged: a part died, or its evidence is incomplete. Exit 2, never green."""

    exit_code: ClassVar[int] = 2
