"""Runs scenarios: wires up, the wire floor measured, the scenario played, raw data collected, all taken down."""
