"""`dropstudy table`: the format follows the file, and no file of a study is replaced."""


def test_table_prints_markdown_or_writes_the_format_of_the_file(trained, call, tmp_path):
    folder, _ = trained
    shown = call("table", folder)
    assert shown.code == 0
    assert "| dropout 0.8 |" in shown.out
    for name, beginning in (
        ("t.tex", "% \\usepackage"),
        ("t.csv", "arm,rate,"),
        ("t.md", "Test accuracy of"),
    ):
        assert call("table", folder, "--out", tmp_path / name).out == f"{tmp_path / name}\n"
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(beginning)
    assert call("table", folder, "--format", "latex").out == (tmp_path / "t.tex").read_text(encoding="utf-8")
    assert call("table", folder, "--format", "docx").is_error("format", "latex, markdown, csv")
    assert call("table", folder, "--out", folder / "runs.csv").is_error("--out", "a file of the study")


def test_methods_are_printed_as_one_paragraph(trained, call):
    shown = call("table", trained[0], "--methods")
    assert shown.code == 0
    assert shown.out.startswith("Fully connected networks")
    assert len(shown.out.splitlines()) == 1
