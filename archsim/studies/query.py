"""SQL over a study, with DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.studies.extras import needed

if TYPE_CHECKING:
    import pyarrow as pa

    from archsim.studies.study import Study


def query_table(study: Study, sql: str) -> pa.Table:
    """Return what a query answers as an Arrow table; the table ``points`` has all rows of the study.

    Nothing outside is read or written: neither files nor the network.

    Raises
    ------
    InputError
        When DuckDB is not installed, or refuses the query; one line.
    """
    duckdb = needed("duckdb", "sql", "query")
    table = study.to_arrow(status=None)
    try:
        with duckdb.connect(config=_SEALED) as connection:
            connection.register("points", table)
            answer = connection.execute(sql)
            if answer.description is None:
                raise InputError("query: nothing to answer; write a SELECT")
            # Releases before 2.0 have the one, those from then on the other.
            return (
                answer.to_arrow_table() if hasattr(answer, "to_arrow_table") else answer.fetch_arrow_table()
            )
    except duckdb.Error as error:
        raise InputError(f"query: {' '.join(str(error).split())}") from None


_SEALED: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "lock_configuration": True,
}
