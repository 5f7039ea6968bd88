"""Scenario files in, frozen ``Scenario`` values out; raises once, with every problem of every file.

Order of work per file: YAML with lines, ${parameters}, each section by its model, then what only the sections
together can say (a fault after the end of the traffic, a file that does not exist).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lab.errors import Problem, ScenarioError, UsageError
from lab.faults import FaultOptions, registered
from lab.scenario.across import problems_across, unusable_tables
from lab.scenario.document import Document, KeyPath, read_document
from lab.scenario.figures import canonical, figure_for, kind_problem, nearest
from lab.scenario.models import Engine, Measure, Parameter, Scenario, Traffic, traffic_conflicts
from lab.scenario.noise import noise_problems, with_paths
from lab.scenario.ports import Ports, far_end_problems
from lab.scenario.problems import keys_of, problems_of
from lab.units import UnitError, parse_threshold

__all__ = ["load_frozen", "load_scenario", "load_scenarios"]

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
HEAD = ("title", "description", "seed")
SECTIONS: dict[str, type[BaseModel]] = {
    "traffic": Traffic,
    "engine": Engine,
    "measure": Measure,
    "ports": Ports,
}


def load_scenarios(
    paths: Sequence[str | Path],
    *,
    settings: Mapping[str, str] | None = None,
    root: Path | None = None,
) -> tuple[Scenario, ...]:
    """Files, directories (every *.yaml in them, sorted) and names without .yaml, in the order given.

    ``settings`` are --set NAME=VALUE; ``root`` is the working directory. Raises UsageError for paths and
    settings, ScenarioError with all problems of all files.
    """
    settings = dict(settings or {})
    base = root or Path.cwd()
    files = [file for path in paths for file in _expand(Path(path), base)]
    if not files:
        raise UsageError("no scenario given", todo="tailgate run scenarios/quickstart")
    loads = [_load(file, settings, base, check_files=True) for file in files]
    declared = {name for load in loads for name in load.declared}
    unknown = sorted(set(settings) - declared)
    readable = all(load.readable for load in loads)
    if unknown and readable:
        known = (
            f"declared: {', '.join(sorted(declared))}" if declared else "the scenario declares no parameters"
        )
        raise UsageError(f"--set {unknown[0]}: no such parameter", where=str(files[0]), why=known)
    problems = [problem for load in loads for problem in load.problems]
    unset = [(load, name) for load in loads for name in load.unset]
    if unset and not problems:
        load, name = unset[0]
        command = " ".join(f"--set {n}=..." for n in dict.fromkeys(n for _, n in unset))
        raise UsageError(
            f"parameter {name} has no value: {load.declared[name].help}",
            where=str(load.file),
            todo=f"tailgate run {load.file} {command}",
        )
    if problems:
        raise ScenarioError(problems)
    return tuple(load.scenario for load in loads if load.scenario is not None)


def load_scenario(path: str | Path, *, settings: Mapping[str, str] | None = None) -> Scenario:
    """One scenario; a directory that holds several is an error."""
    scenarios = load_scenarios([path], settings=settings)
    if len(scenarios) != 1:
        raise UsageError(f"{path} holds {len(scenarios)} scenarios, one was asked for")
    return scenarios[0]


def load_frozen(path: Path) -> Scenario:
    """The scenario.yaml of a run: already complete, and its traffic files need not exist any more."""
    load = _load(path, {}, path.parent, check_files=False)
    if load.problems or load.scenario is None:
        raise ScenarioError(load.problems)
    return load.scenario


def _expand(path: Path, base: Path) -> list[Path]:
    full = path if path.is_absolute() else base / path
    if full.is_dir():
        found = sorted(full.glob("*.yaml"))
        if not found:
            raise UsageError(f"{path} holds no *.yaml", todo="name a scenario file")
        return found
    if full.is_file():
        return [full]
    named = full.with_name(f"{full.name}.yaml")
    if named.is_file():
        return [named]
    folder = full.parent
    stems = sorted(p.stem for p in folder.glob("*.yaml")) if folder.is_dir() else []
    close = nearest(path.stem, stems, count=1)
    raise UsageError(
        f"no scenario at {path}",
        why=f"there are: {', '.join(stems)}" if stems else f"{folder} holds no scenarios",
        todo=f"tailgate run {path.parent / close[0]}" if close else None,
    )


@dataclass
class _Load:
    """One file on its way in."""

    file: Path
    document: Document
    problems: list[Problem] = field(default_factory=list)
    declared: dict[str, Parameter] = field(default_factory=dict)
    unset: list[str] = field(default_factory=list)
    scenario: Scenario | None = None
    readable: bool = False

    def add(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        self.problems.append(self.document.problem(path, message, hint))


def _load(file: Path, settings: Mapping[str, str], base: Path, *, check_files: bool) -> _Load:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}", why=str(error)) from error
    document = read_document(text, file=_shown(file, base))
    load = _Load(file=file, document=document, problems=list(document.problems))
    if not isinstance(document.data, dict):
        if not load.problems:
            load.add((), "a scenario is a mapping that starts with title:")
        return load
    load.readable = True
    data = document.data
    known = keys_of(Scenario)
    for key in data:
        if key not in known:
            close = nearest(key, known, count=1)
            load.add(
                (key,), "unknown key", f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            )
    _declare(load, data.get("parameters"))
    data = {
        key: value if key == "parameters" else _substitute(load, value, (key,), settings)
        for key, value in data.items()
        if key in known
    }
    _head(load, data)
    parts = _sections(load, data, file, base, check_files=check_files)
    expected = data.get("expect")
    names = list(expected) if isinstance(expected, dict) else []
    engine, ports = parts.values.get("engine"), parts.values.get("ports")
    for where, message in problems_across(parts.traffic, engine, parts.faults, names, ports):
        load.add(where, message)
    told = (parts.values.get("ports"), parts.traffic, parts.values.get("measure"), parts.faults)
    for where, message in far_end_problems(*told):
        load.add(where, message)
    for where, message in unusable_tables(parts.faults) if check_files else ():
        load.add(where, message)
    if check_files and not load.problems and not load.unset and parts.traffic is not None:
        for where, message in noise_problems(
            parts.traffic.noise, seed=int(data.get("seed") or 1), driver=parts.traffic.driver
        ):
            load.add(where, message)
    if not load.problems:
        _assemble(load, data, parts)
    load.problems.sort(key=lambda problem: problem.line)
    return load


def _head(load: _Load, data: Mapping[str, Any]) -> None:
    """What stands in no section: title, description, seed."""
    head = {key: value for key, value in data.items() if key in HEAD and value is not None}
    try:
        Scenario.model_validate(head)
    except ValidationError as error:
        if not _awaits(load, head):
            load.problems += problems_of(error, load.document, (), Scenario)


def _shown(file: Path, base: Path) -> str:
    return str(file.relative_to(base)) if file.is_relative_to(base) else str(file)


def _declare(load: _Load, data: Any) -> None:
    if data is None:
        return
    if not isinstance(data, dict):
        load.add(("parameters",), "a mapping of names, each with help: and default:")
        return
    for name, value in data.items():
        here: KeyPath = ("parameters", name)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            load.add(here, "a parameter's name is lower-case letters, digits and _")
        try:
            load.declared[name] = Parameter.model_validate(value)
        except ValidationError as error:
            load.problems += problems_of(error, load.document, here, Parameter)
            load.declared[name] = Parameter(help="declared wrongly")  # its uses are no problem of their own


def _substitute(load: _Load, value: Any, path: KeyPath, settings: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _substitute(load, item, (*path, key), settings) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(load, item, (*path, index), settings) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        parameter = load.declared.get(name)
        if parameter is None:
            close = nearest(name, list(load.declared), count=1)
            hint = f"did you mean {close[0]}?" if close else "declare it under parameters:"
            load.add(path, f"${{{name}}} is not a parameter of this scenario", hint)
        elif name in settings:
            return settings[name]
        elif parameter.default is not None:
            return parameter.default
        elif name not in load.unset:
            load.unset.append(name)
        return match[0]

    return _REFERENCE.sub(replace, value)


@dataclass
class _Parts:
    """The sections that were readable by themselves."""

    traffic: Traffic | None = None
    faults: list[tuple[int, FaultOptions]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)


def _sections(load: _Load, data: dict[str, Any], file: Path, base: Path, *, check_files: bool) -> _Parts:
    parts = _Parts()
    for name, model in SECTIONS.items():
        value = data.get(name)
        if name == "traffic" and isinstance(value, dict):
            value = _traffic(load, value, file, base, check_files=check_files)
        try:
            parts.values[name] = model.model_validate({} if value is None else value)
        except ValidationError as error:
            if not _awaits(load, value):
                load.problems += problems_of(error, load.document, (name,), model)
            if name == "traffic" and isinstance(value, dict) and not _awaits(load, value):
                parts.traffic = _without_errors(value, error)
    parts.traffic = parts.values.get("traffic", parts.traffic)
    _faults(load, data.get("faults"), parts)
    _expect(load, data.get("expect"))
    return parts


def _without_errors(value: dict[str, Any], error: ValidationError) -> Traffic | None:
    """The traffic that is left without the wrong keys, so that faults can still be placed in it."""
    wrong = {item["loc"][0] for item in error.errors() if item["loc"]}
    if wrong & {"rate", "duration"}:
        return None
    try:
        return Traffic.model_validate({key: item for key, item in value.items() if key not in wrong})
    except ValidationError:
        return None


def _awaits(load: _Load, value: Any) -> bool:
    """True when a section still has an unset ${parameter}: its missing value is the problem to report."""
    if not load.unset:
        return False
    if isinstance(value, dict):
        return any(_awaits(load, item) for item in value.values())
    if isinstance(value, list):
        return any(_awaits(load, item) for item in value)
    return isinstance(value, str) and any(f"${{{name}}}" in value for name in load.unset)


def _traffic(
    load: _Load, value: dict[str, Any], file: Path, base: Path, *, check_files: bool
) -> dict[str, Any]:
    """Reports conflicts between keys, resolves paths, and leaves the rest for the model to judge."""
    value = dict(value)
    for key, message in traffic_conflicts(value):
        load.add(("traffic", key), message)
        value.pop(key, None)
    for key in ("file", "pcap"):
        given = value.get(key)
        several = isinstance(given, list)
        names = given if isinstance(given, list) else [given]
        if given is None or not all(isinstance(name, str) for name in names):
            continue
        resolved = []
        for index, name in enumerate(names):
            path = _resolve(name, file.parent, base)
            resolved.append(str(path))
            where: KeyPath = ("traffic", key, index) if several else ("traffic", key)
            if check_files and not path.is_file() and not _REFERENCE.search(name):
                load.add(where, f"no file at {name}", f"looked in {file.parent} and {base}")
        value[key] = resolved if several else resolved[0]
    if "noise" in value:
        value["noise"] = with_paths(value["noise"], lambda name: _resolve(name, file.parent, base))
    return value


def _resolve(name: str, *folders: Path) -> Path:
    """Relative to the scenario file first, then to the working directory."""
    path = Path(name).expanduser()
    if path.is_absolute():
        return path
    candidates = [folder / path for folder in folders]
    return next((c.resolve() for c in candidates if c.exists()), candidates[0])


def _faults(load: _Load, value: Any, parts: _Parts) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        load.add(("faults",), "a list, each item with do: NAME and at:")
        return
    known = registered()
    for index, item in enumerate(value):
        here: KeyPath = ("faults", index)
        if not isinstance(item, dict) or not isinstance(item.get("do"), str):
            load.add(here, "a fault is a mapping with do: NAME", f"known: {', '.join(known)}")
            continue
        fault = known.get(item["do"])
        if fault is None:
            close = nearest(item["do"], list(known), count=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            load.add((*here, "do"), f"unknown fault {item['do']!r}", hint)
            continue
        try:
            parts.faults.append((index, fault.options_model.model_validate(item)))
        except ValidationError as error:
            if not _awaits(load, item):
                load.problems += problems_of(error, load.document, here, fault.options_model)


def _expect(load: _Load, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        load.add(("expect",), "a mapping of figures, each with its threshold")
        return
    seen: dict[str, str] = {}
    for name, text in value.items():
        here: KeyPath = ("expect", name)
        figure = figure_for(name)
        if figure is None:
            close = nearest(name)
            load.add(here, "no such figure or check", f"did you mean {', '.join(close)}?" if close else None)
        elif canonical(name) in seen:
            load.add(here, f"the same figure as {seen[canonical(name)]}")
        seen.setdefault(canonical(name), name)
        if not isinstance(text, str | int | float):
            load.add(here, "a threshold, such as '< 40us', '== 0' or true")
            continue
        if _awaits(load, text):
            continue
        try:
            threshold = parse_threshold(text)
        except UnitError as error:
            load.add(here, str(error))
            continue
        problem = kind_problem(figure, threshold) if figure else None
        if problem:
            load.add(here, problem)


def _assemble(load: _Load, data: dict[str, Any], parts: _Parts) -> None:
    if load.unset:
        return
    whole = {
        **{
            key: value
            for key, value in data.items()
            if key not in (*SECTIONS, "faults") and value is not None
        },
        **parts.values,
        "parameters": load.declared,
        "faults": tuple(fault for _, fault in parts.faults),
        "name": load.file.stem,
        "path": load.file,
    }
    try:
        load.scenario = Scenario.model_validate(whole)
    except ValidationError as error:
        load.problems += problems_of(error, load.document, (), Scenario)
