"""Whether two objects are the same. Start reading in ``pairs.py``; ``oms_engine.compare`` walks the keys."""
