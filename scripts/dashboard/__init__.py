"""The dashboards, the alerts and the mapping for Prometheus: one description, many files.

`scripts/dashboards` writes the files of `dashboards/` from here; the suite fails if they differ.

    signal                what is drawn or compared: a metric, its rate, its sum, a share, an age
    limits                warning and critical, as the verdict of `reconciler health` has them
    panel                 what a panel and a dashboard are
    panels                the panels: what each answers, and what it draws
    layout                the dashboards: which panels, in which order
    verdict_rows          the rows of the verdict: their order, and what each means
    no_panel              the metrics without a panel, each with its reason
    alerts                the alerts: when each fires, and where the runbook says what to do
    graphite_expression   a signal, in the language of Graphite's render API
    graphite_rows         the rows that made the verdict, in that language, the cause first
    graphite_web          the dashboards for graphite-web
    grafana               the dashboards for Grafana
    grafana_query         Grafana's query of Graphite
    graphite_alerts       the alerts as a list of Graphite expressions
    grafana_alerts        the alerts for Grafana to provision
    prometheus_names      what the metrics are called in Prometheus
    prometheus_alerts     the alerts for Prometheus
    statsd_exporter       the mapping of names for statsd_exporter
    yaml_text             YAML, as text
    alert_table           the alerts, as a table for the docs
    files                 all files, by their paths
"""
