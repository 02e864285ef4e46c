"""Reports of a study: a table and sentences in a terminal, an HTML page, figures, CSV files."""

from dropstudy.report.tables import file_stems, metric_cells, summary_cells, summary_table

__all__ = ["file_stems", "metric_cells", "summary_cells", "summary_table"]
