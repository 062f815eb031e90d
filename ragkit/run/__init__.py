"""What changes a base: ingest, rebuild, watch, repair, import."""
