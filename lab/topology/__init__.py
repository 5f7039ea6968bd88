"""Network namespaces and wires of a lab, the ledger of what was made, and the clean-up after a crash."""

from lab.topology.ledger import Ledger, heal
from lab.topology.wires import ORDER_WIRE, RECOVERY_WIRE, Topology, Wire

__all__ = ["ORDER_WIRE", "RECOVERY_WIRE", "Ledger", "Topology", "Wire", "heal"]
