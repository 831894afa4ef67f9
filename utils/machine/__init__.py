"""The machine: its devices, processes and locks."""
