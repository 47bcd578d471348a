"""The bill: what the videos of a month cost, as a table or as comma-separated values."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.spending import Bill, BillLine, By, in_dollars


def as_table(lines: Sequence[BillLine], by: By) -> str:
    """A table for a terminal; its last line is the total."""
    costs = [(line.name, str(line.videos), _cost(line.spent)) for line in lines]
    rows = [(by.value, "videos", "cost"), *costs]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [
        f"{name:{widths[0]}}  {videos:>{widths[1]}}  {cost:>{widths[2]}}"
        for name, videos, cost in rows
    ]
    held, unpriced = sum(line.held for line in lines), sum(line.unpriced for line in lines)
    if held:
        table.append(f"reserved, not in the total  {_cost(held)}")
    if unpriced:
        table.append(f"videos at an unknown price  {unpriced}")
    return "\n".join([*table, f"total  {_cost(sum(line.spent for line in lines))}"]) + "\n"


def files(bill: Bill) -> dict[str, str]:
    """The bill's files by their names, each by another of person, channel and model."""
    month = f"{datetime.fromtimestamp(bill.month, UTC):%Y-%m}"
    return {f"bill-{month}-by-{by}.csv": as_csv(lines, by) for by, lines in bill.lines.items()}


def sent(bill: Bill) -> str:
    """The message above those files."""
    month = f"{datetime.fromtimestamp(bill.month, UTC):%B %Y}"
    total = sum(line.spent for line in bill.lines[By.PERSON])
    return f"The bill for {month}, by person, channel and model. Total: {_cost(total)}."


def as_csv(lines: Sequence[BillLine], by: By) -> str:
    """A header and a row for each line; amounts are in US dollars, exactly."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([by.value, "videos", "spent_usd", "reserved_usd", "unpriced_videos"])
    for line in lines:
        amounts = (f"{in_dollars(amount):f}" for amount in (line.spent, line.held))
        table.writerow([line.name, line.videos, *amounts, line.unpriced])
    return text.getvalue()


def _cost(amount: int) -> str:
    return f"${in_dollars(amount):,.2f}"
