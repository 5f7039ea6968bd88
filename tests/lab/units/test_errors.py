"""Errors of the lab: one line each, an exit code each, the same content for machines."""

from lab.errors import MissingError, Problem, ScenarioError, TailgateError, UndecidedError, UsageError


def test_an_error_is_one_line_that_says_where_what_why_and_what_next() -> None:
    error = UsageError("no run", where="results/x", why="it is a\nfile", todo="tailgate run y")
    assert str(error) == "results/x: no run: it is a file; next: tailgate run y"


def test_an_error_without_circumstances_is_its_text() -> None:
    assert str(TailgateError("broken")) == "broken"


def test_exit_codes_are_never_those_of_a_verdict_pass_or_fail() -> None:
    codes = {
        kind: kind.exit_code
        for kind in (TailgateError, UsageError, ScenarioError, MissingError, UndecidedError)
    }
    assert codes == {TailgateError: 2, UsageError: 64, ScenarioError: 64, MissingError: 69, UndecidedError: 2}


def test_a_missing_thing_names_the_command_that_installs_it() -> None:
    error = MissingError("no tshark", install="apt-get install tshark")
    assert str(error) == "no tshark; next: apt-get install tshark"
    assert error.to_json()["todo"] == "apt-get install tshark"


def test_a_scenario_error_has_one_line_per_problem() -> None:
    problems = [
        Problem(file="a.yaml", line=3, key="traffic.rate", message="is not\na rate", hint="such as 1k/s"),
        Problem(file="a.yaml", line=0, key="", message="the file is empty"),
    ]
    error = ScenarioError(problems)
    assert str(error).splitlines() == [
        "a.yaml:3: traffic.rate: is not a rate (such as 1k/s)",
        "a.yaml: the file is empty",
    ]
    assert [problem["line"] for problem in error.to_json()["problems"]] == [3, 0]  # type: ignore[attr-defined]
