"""Routes of the REST API by subject; `endpoints` puts them into one table."""
