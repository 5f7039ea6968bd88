"""What a run was made with, and the sha256 of every file it left: manifest.json, the last file written."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import lab
from lab.results.files import sha256_of, write_json

__all__ = ["MANIFEST", "build_flags", "commit", "hashes", "manifest", "update_manifest", "versions"]

MANIFEST = "manifest.json"
PACKAGES = ("tailgate", "numpy", "pyarrow", "hdrhistogram", "pydantic", "cffi")
BUILD_OPTIONS = ("buildtype", "optimization", "b_ndebug", "b_sanitize", "b_lto", "native", "c_args")
GIT_SECONDS = 10.0


def manifest(
    *,
    directory: Path,
    created_utc: str,
    summary: Mapping[str, Any],
    knobs: Mapping[str, str],
    started_utc_ns: int,
) -> dict[str, Any]:
    """Everything but ``files``; two runs compare when their ``host`` blocks are equal."""
    return {
        "schema": 1,
        "id": directory.name,
        "created_utc": created_utc,
        "scenario": summary["scenario"],
        "seed": summary["seed"],
        "verdict": summary["verdict"],
        "clock": {
            **summary["clock"],
            "started_ns": summary["run"]["started_ns"],
            "started_utc_ns": started_utc_ns,
        },
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "reproduce": shlex.join(["tailgate", "run", str(directory / "scenario.yaml")]),
        "commit": commit(),
        "build": build_flags(),
        "versions": versions(),
        "host": dict(knobs),
    }


def hashes(directory: Path) -> dict[str, dict[str, Any]]:
    """sha256 and size of every file under ``directory`` but the manifest itself, by relative path."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and path != directory / MANIFEST:
            found[str(path.relative_to(directory))] = {
                "sha256": sha256_of(path),
                "bytes": path.stat().st_size,
            }
    return found


def update_manifest(directory: Path) -> None:
    """Adds the files that came after the manifest, such as report.html; nothing when there is no manifest."""
    path = directory / MANIFEST
    if not path.exists():
        return
    content = json.loads(path.read_text())
    known = content["files"]
    for file in sorted(directory.rglob("*")):
        name = str(file.relative_to(directory))
        if file.is_file() and not file.is_symlink() and file != path and name not in known:
            known[name] = {"sha256": sha256_of(file), "bytes": file.stat().st_size}
    content["files"] = dict(sorted(known.items()))
    write_json(path, content)


@cache
def commit() -> dict[str, Any] | None:
    """The commit of the sources in use, asked once; None when they are in no git work tree."""
    root = Path(lab.__file__).resolve().parent.parent
    identity = _git(root, "rev-parse", "HEAD")
    if identity is None:
        return None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"id": identity, "dirty": changed != ""}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def build_flags() -> dict[str, Any] | None:
    """The build options of the loaded C modules; None when no build folder tells them."""
    for module in ("lab._lab", "engine._engine", "traffic._traffic"):
        origin = getattr(getattr(sys.modules.get(module), "__spec__", None), "origin", None)
        if not origin:
            continue
        path = Path(origin).parent.parent / "meson-info" / "intro-buildoptions.json"
        try:
            options = {option["name"]: option["value"] for option in json.loads(path.read_text())}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return {name: options[name] for name in BUILD_OPTIONS if name in options}
    return None


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
