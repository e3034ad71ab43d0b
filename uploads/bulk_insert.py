"""New rows in one INSERT, several times faster than `bulk_create`.

Django prepares every value of every row by asking its field, 2,700 calls for a batch of 100 uploads and two thirds
of the time of registering them. Here only columns whose values change on their way to the database are prepared.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

# Their Python values are what the drivers take as they are.
PLAIN = (models.CharField, models.TextField, models.IntegerField, models.BooleanField)


@cache
def columns_of(model: type[models.Model]) -> tuple[tuple[models.Field[Any, Any], bool], ...]:
    """The columns to write, and whether each is plain. A key that the database counts is left to it."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]  # noqa: SLF001
    return tuple((field, isinstance(field, PLAIN)) for field in fields)


def insert(rows: Sequence[models.Model]) -> None:
    """One statement. Rows are of one model, whole (no database defaults), and do not learn keys counted for them."""
    if not rows:
        return
    model = type(rows[0])
    columns = columns_of(model)
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field, _ in columns)
    places = f"({', '.join(['%s'] * len(columns))})"
    statement = (
        f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES {', '.join([places] * len(rows))}"  # noqa: S608, SLF001
    )
    values = [
        getattr(row, field.attname)
        if is_plain
        else field.get_db_prep_save(getattr(row, field.attname), connection)
        for row in rows
        for field, is_plain in columns
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    for row in rows:
        row._state.adding = False  # noqa: SLF001
