"""Use cases of the service: validate, authorise, count against quotas, change rows in one transaction."""
