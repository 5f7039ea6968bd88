"""Network namespaces and wires of a lab, the ledger of what was made, and the clean-up after a crash."""

from lab.topology.ledger import Ledger, heal
from lab.topology.ports import PortPlan
from lab.topology.wires import ORDER_WIRE, RECOVERY_WIRE, Topology, Wire, survey_ports

__all__ = ["ORDER_WIRE", "RECOVERY_WIRE", "Ledger", "PortPlan", "Topology", "Wire", "heal", "survey_ports"]
