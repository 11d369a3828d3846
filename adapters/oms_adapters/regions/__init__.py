"""Region tables as data: where each cloud's regions are, and how their endpoints are named."""
