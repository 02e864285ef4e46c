"""A study's folder and database: what is written, what is read, who may do which."""
