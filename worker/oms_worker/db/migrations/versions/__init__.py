"""One module per revision, named ``v<number>_<what>``."""
