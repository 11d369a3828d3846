from collections.abc import Sequence

LANES: int

def update(streams: Sequence[tuple[bytearray, bytes | memoryview]], /) -> None: ...
