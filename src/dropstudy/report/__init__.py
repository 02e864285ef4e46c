"""What a study says to its reader: a table and sentences in a terminal, a page for everyone, figures, CSV files."""

from dropstudy.report.tables import file_stems, shape_title, summary_cells, summary_table

__all__ = ["file_stems", "shape_title", "summary_cells", "summary_table"]
