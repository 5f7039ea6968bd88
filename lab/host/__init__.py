"""What this machine is: cores for the two busy threads, knobs that matter to a tail, time the host took away."""

from lab.host.cores import Cores, choose_cores
from lab.host.doctor import Finding, examine
from lab.host.knobs import host_knobs, involuntary_switches, steal_ns

__all__ = ["Cores", "Finding", "choose_cores", "examine", "host_knobs", "involuntary_switches", "steal_ns"]
