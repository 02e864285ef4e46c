"""What a user sees while runs train: lines, a table, the time left."""
