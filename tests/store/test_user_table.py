"""The user's table in SQL, as PostgreSQL reads it."""

import psycopg

from reconciler.store.user_table import quoted

HOSTILE = ("a b", "a%b", "a:b", 'a"b', "a.b; DROP TABLE x", "Ä", "1a", "a$b", "A")


def test_names_are_quoted_as_postgresql_quotes_them(
    oldest_postgres_url: str, postgres_url: str
) -> None:
    for url in (oldest_postgres_url, postgres_url):
        with psycopg.connect(url) as connection:
            keywords = connection.execute("SELECT word FROM pg_get_keywords()").fetchall()
            names = [*(word for (word,) in keywords), *HOSTILE]
            as_postgresql = connection.execute(
                "SELECT quote_ident(name) FROM unnest(%s::text[]) WITH ORDINALITY AS it (name, n)"
                " ORDER BY n",
                [names],
            ).fetchall()

        # A word that an older version does not know as a keyword may be quoted, too.
        differing = {
            name
            for name, (sql,) in zip(names, as_postgresql, strict=True)
            if quoted(name) != sql and sql != name
        }
        assert differing == set()
