"""The web console: `reconciler console`. Pages for people; nothing here decides about an order.

From the socket to a page:

    server          listen, serve until a signal, end at once
    connections     one connection of a browser, which must send each request in time
    app             the routes of all pages, behind the gate
    gate            refuse what must not get through: wrong host, no session, foreign POST
    addresses       which hosts, origins and paths are ours
    sessions        the one-time keys, the signed-in browsers and their tokens
    request_body    the body of a POST, bounded
    sign_in         the routes that sign a browser in and out
    static_files    the styles and scripts

What a page uses:

    context         what the pages share: `Console`
    options         the options of the command
    templating      templates, their filters, and the addresses in them
    database_pool   connections for the pages, with a limit of time
    error_pages     errors as pages
    query           filters and places in lists, from an address

What the pages about orders show:

    comparison      a held row next to what the exchange said
    hold_query, hold_preview
                    which holds a person means, and what a decision would do to them
    decisions       the decisions that were made here, with their progress
    order_life      what happened to one order
    change_rows     changes as CSV

    pages/          one module for each page; `templates/` has a template of the same name

What follows the supervisor and the database:

    poller          asks both once per interval, for all viewers
    source          the last answer of either, and when it is asked again
    history         what it saw, of the last hour
    news, events    tell the viewers that there is something newer
    banners         states that change what is done: a halt, a pause
    where_to_look   whose fault it is and what to do, from the reasons of the verdict
    hold_words      the reasons of holds in plain words

What else is shown:

    tune_report     a saved report of `tune`
    scaling         change the number of shards, and record who did
    runbook         the incident runbook as HTML

How to add a page: the docstring of `pages`.
"""
