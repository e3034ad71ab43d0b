"""The real stores of other tests: Swift behind a gate, and the door of the local one."""

from tests.faults.conftest import gate, stage
from tests.lanes.conftest import door, local_stage

__all__ = ["door", "gate", "local_stage", "stage"]
