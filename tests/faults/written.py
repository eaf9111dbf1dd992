"""Write the results of drills between the markers of a Markdown file."""

from datetime import date
from pathlib import Path

BEGIN, END = "<!-- drills: written by `make drills` -->", "<!-- end of drills -->"


def write_row(file: Path, row: tuple[str, str, float], *, rounds: int) -> None:
    """Write the row of a fault: what was seen, the seconds, and how many rounds in a row have passed."""
    write_between(file, _table(file, row, rounds=rounds), begin=BEGIN, end=END)


def _table(file: Path, row: tuple[str, str, float], *, rounds: int) -> str:
    """The table of a file with one row replaced, so that drills can run one by one."""
    _, _, rest = file.read_text("utf-8").partition(BEGIN)
    lines = [line for line in rest.partition(END)[0].splitlines() if line.startswith("| ")]
    rows = {cells[0]: cells for cells in (line.strip("| ").split(" | ") for line in lines[2:])}
    fault, seen, seconds = row
    lost, passed = ("not tried", "0") if seen.startswith("skipped") else ("0", str(rounds))
    rows[fault] = [fault, seen, lost, passed, f"{seconds:.0f}", str(date.today())]
    head = (
        "| fault | what was seen | lost | passed in a row | seconds, next run included | drilled |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    return "\n".join([head, *(f"| {' | '.join(cells)} |" for cells in rows.values())])


def write_between(file: Path, text: str, *, begin: str, end: str) -> None:
    """Put text between two markers of a file."""
    before, found, rest = file.read_text("utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    assert found, f"{file} has no line {begin}"
    assert closed, f"{file} has no line {end}"
    file.write_text(f"{before}{begin}\n{text}\n{end}{tail}", "utf-8")
