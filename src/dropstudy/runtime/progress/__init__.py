"""Progress display while runs train: lines, a table, the time left."""
