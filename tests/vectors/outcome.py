"""How a case can end besides passing: it raises Skip (counted, by name) or anything else (failed)."""


class Skip(Exception):
    """The case was not judged, and this is why."""
