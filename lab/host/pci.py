"""The name of a port, an interface or a PCI address, goes in; the interface comes out."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import UsageError

__all__ = ["PCI_ADDRESS", "interface_of", "refusal"]

PCI_ADDRESS = re.compile(r"(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
SYSTEM = Path("/sys")


def interface_of(name: str, *, system: Path = SYSTEM) -> str:
    """The interface of a PCI address, through sysfs; any other name as it is. UsageError when there is none."""
    if not PCI_ADDRESS.fullmatch(name):
        return name
    address = name.lower() if name.count(":") == 2 else f"0000:{name.lower()}"
    device = system / "bus/pci/devices" / address
    if not device.exists():
        raise refusal(name, "there is no such PCI device", todo="lspci -D | grep -i ethernet")
    found = sorted(path.name for path in (*device.glob("net/*"), *device.glob("virtio*/net/*")))
    if len(found) == 1:
        return found[0]
    if found:
        raise refusal(name, f"it has several interfaces: {', '.join(found)}", todo="name one of them")
    driver = device / "driver"
    bound = f"it is bound to {driver.resolve().name}" if driver.exists() else "no driver is bound to it"
    raise refusal(
        name, f"{bound}, so the kernel has no interface for it", todo="bind it to its kernel driver"
    )


def refusal(name: str, why: str, *, todo: str | None = None) -> UsageError:
    return UsageError(f"port {name}", why=why, todo=todo)
