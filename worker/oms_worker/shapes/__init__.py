"""Bodies of OMS: requests and responses of the API, and of ``openoms run``. No database, no web framework."""
