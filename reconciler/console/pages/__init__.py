"""The pages of the console, in the order of its navigation.

A page is a module here with a `PAGE`, and a template of the same name that extends `base.html`.
Name it in `PAGES` below. Its handlers are plain functions, each run in a thread of its own:

    def show_holds(request: Request) -> Response:
        console = console_of(request)
        with console.databases.reading() as connection:
            holds = read_holds(connection, ...)
        return console.render(request, "holds.html", holds=holds)

    def dismiss(request: Request) -> Response:
        console = console_of(request)
        with console.databases.writing() as database:
            dismiss_hold(..., by=console.operator)
        return console.redirect("/holds")

    PAGE = Page(
        title="Holds",
        path="/holds",
        routes=(
            Route("/holds", show_holds, methods=["GET"]),
            Route("/holds/dismiss", dismiss, methods=["POST"]),
        ),
    )

The gate has checked the session, and of a POST the sender, the token and that actions are allowed:
`field_of(request, "reason")` reads a field of its form. Each form begins with `{{ form_token() }}`
from `parts.html`. Raise `Refusal` to answer with an error page; errors of ours become one by
themselves. A part of a template with `data-live` and an id follows the events of the poller.
"""

from collections.abc import Sequence

from reconciler.console.pages import changes, holds, order, overview, runbook, tuning
from reconciler.console.pages.page import Page

PAGES: Sequence[Page] = (
    overview.PAGE,
    holds.PAGE,
    changes.PAGE,
    order.PAGE,
    tuning.PAGE,
    runbook.PAGE,
)
