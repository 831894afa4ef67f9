"""Entries of a registry that last for a test."""


def set_free(monkeypatch, registry, name):
    """Let a test register this name, also where someone's own file has it; all is as before when the test is over."""
    for table in (registry, registry.places):
        monkeypatch.setitem(table, name, None)
        del table[name]
