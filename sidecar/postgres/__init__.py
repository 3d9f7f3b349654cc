"""Everything that speaks to PostgreSQL: where it is, the session, the catalog, the probe statements."""
