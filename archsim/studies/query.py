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
            kinds = [statement.type for statement in connection.extract_statements(sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise InputError("query: must be one SELECT; a study is not changed by a query")
            return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise InputError(f"query: {' '.join(str(error).split())}") from None


_SEALED: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
}
