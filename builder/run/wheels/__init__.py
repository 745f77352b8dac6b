"""Building wheels of source distributions: once each, inside the locked base, without network.

`builder` decides what has to be built and keeps what was, `root` makes the base with its build requirements,
`container` runs the backend's hooks in it, `normal` makes equal bytes of equal contents, `checks` compares the wheel
with what was resolved, `rebuild` makes the wheels of a lock again on another machine, unless
`place`, the team's own, has them.
"""

from builder.run.wheels.builder import WheelBuilder
from builder.run.wheels.rebuild import ensure_built

__all__ = ["WheelBuilder", "ensure_built"]
