"""OMS's API over HTTP: shapes and routes, authentication, errors. What calls mean is in ``oms_worker.services``."""
