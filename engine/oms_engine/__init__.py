"""The engine: list, compare, decide, move, verify, record. It knows no cloud, no web framework, no database."""
