"""SQL as a block of PL/pgSQL that PostgreSQL runs at once."""


def anonymous_block(body: str) -> str:
    """Return a DO statement, quoted so that no name in the body can end it."""
    tag = "reconciler"
    while f"${tag}$" in body:
        tag += "_"
    return f"DO ${tag}$ {body.strip()} ${tag}$"
