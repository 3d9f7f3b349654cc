"""The contract: its document format, and what its texts (types, functions, statements) mean."""
