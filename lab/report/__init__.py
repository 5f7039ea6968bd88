"""A run's files go in; a terminal's table and a self-contained report.html come out. Judges nothing."""

from __future__ import annotations

from lab.report.html import write_report
from lab.report.table import render_comparison, render_findings, render_terminal

__all__ = ["render_comparison", "render_findings", "render_terminal", "write_report"]
