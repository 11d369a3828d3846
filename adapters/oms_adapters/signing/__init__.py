"""Request signatures, one module each: pure functions of (request, time), no I/O."""
