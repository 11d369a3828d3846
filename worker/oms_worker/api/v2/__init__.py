"""Routes of ``/v2``, one module per resource."""
