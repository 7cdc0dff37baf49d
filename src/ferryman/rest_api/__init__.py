"""The REST API: an operator's own systems ask here, under `/api/v1`."""
