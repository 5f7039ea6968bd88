"""Who may know whom: engine <- lab -> traffic, ctypes of C in one module each, and judges that share no code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "traffic", "lab")
MAY_IMPORT = {"engine": {"engine"}, "traffic": {"traffic"}, "lab": {"lab", "engine", "traffic"}}
BINDINGS = {
    "engine._engine": {
        "engine/binding.py",
        "engine/journal_binding.py",
        "engine/mdp3.py",
        "engine/risk_build.py",
        "engine/strategy_binding.py",
        "engine/venue.py",
        "engine/wires.py",
    },
    "traffic._traffic": {
        "traffic/bindings.py",
        "traffic/exchange_bindings.py",
        "traffic/impairment_bindings.py",
        "traffic/noise_bindings.py",
    },
    "lab._lab": {"lab/oracle/__init__.py", "lab/tap/tap.py"},
}
MAY_INCLUDE = {"engine": {"engine"}, "traffic": {"traffic"}, "lab": {"lab", "traffic"}}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def sources(package: str, *endings: str) -> list[Path]:
    found = [path for path in sorted((ROOT / package).rglob("*")) if path.suffix in endings]
    assert found, f"nothing in {package}"
    return found


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, also inside functions; relative ones made whole."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (above, node.module) if part)
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def wrong(package: str, allowed: set[str]) -> list[str]:
    ours = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()} | {
        "tests"
    }
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources(package, ".py")
        for line, module in imports(path)
        if module.split(".")[0] in ours - allowed
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_stands_below_it(package: str) -> None:
    assert wrong(package, MAY_IMPORT[package]) == []


@pytest.mark.parametrize("module", BINDINGS)
def test_only_the_binding_modules_touch_the_c(module: str) -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sources(package, ".py")
        for _, name in imports(path)
        if name == module
    }
    assert found == BINDINGS[module]


def test_ffi_and_lib_stay_inside_the_binding_modules() -> None:
    allowed = set().union(*BINDINGS.values())
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in sources(package, ".py")
        for line, name in imports(path)
        if name.rpartition(".")[2] in ("ffi", "lib") and str(path.relative_to(ROOT)) not in allowed
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_c_of_a_package_includes_only_its_own(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in sources(package, ".c", ".h")
        for name in INCLUDE.findall(path.read_text())
        if "/" not in name or name.split("/")[0] not in MAY_INCLUDE[package]
    ]
    assert found == []


def test_the_oracle_shares_nothing_with_the_rest_of_the_lab() -> None:
    found = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in sources("lab/oracle", ".c", ".h")
        for name in INCLUDE.findall(path.read_text())
        if not name.startswith("lab/oracle/")
    ]
    assert found == []
    modules = {
        name.split(".")[0:2][-1]
        for _, name in imports(ROOT / "lab/oracle/__init__.py")
        if name.startswith("lab.")
    }
    assert modules == {"_lab"}


def test_every_python_file_of_the_lab_is_installed() -> None:
    listed = (ROOT / "lab/python_sources.txt").read_text().split()
    assert listed == sorted(str(path.relative_to(ROOT / "lab")) for path in sources("lab", ".py"))
