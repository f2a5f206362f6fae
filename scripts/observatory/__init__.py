"""StatsD, Carbon and graphite-web on this machine, with the configuration that we ship.

`scripts/observe` runs them for a person, tests/observe for the tests.

    stack           the three programs together: start, addresses, end
    configuration   the files of dashboards/ with the folders, ports and steps of one stack
    child           one program as a child process: its log, its port, its end
    client          the HTTP interface of graphite-web: totals, renderings, dashboards
    dashboards      the panels of the files in dashboards/graphite
    verdict_panels  the panels of the verdict: what they say, and a picture of them
    feed            a demo that goes on, so that there is something to see
    graphite_web    what graphite-web itself imports, in Debian's Python
"""
