"""Results as a paper prints them: `table.py` for the table, `methods.py` for the methods section."""
