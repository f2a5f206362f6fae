// StatsD (npm `statsd`) for the reconciler. Start: node statsd/bin/statsd config.js
// scripts/observe runs this very file. The variables of the environment are for where it runs;
// the rest fits dashboards/carbon and the dashboards: change both or none.
{
  // Where the reconciler sends: STATSD_HOST and STATSD_PORT of its own environment.
  address: process.env.STATSD_ADDRESS || '127.0.0.1',
  port: Number(process.env.STATSD_PORT || 8125),
  mgmt_address: '127.0.0.1',
  mgmt_port: Number(process.env.STATSD_MGMT_PORT || 8126),

  // Where the values go: the line receiver of carbon-aggregator-cache.
  backends: ['./backends/graphite'],
  graphiteHost: process.env.CARBON_HOST || '127.0.0.1',
  graphitePort: Number(process.env.CARBON_PORT || 2003),

  // The first retention in storage-schemas.conf is as long: a shorter one would leave holes, with
  // a longer one several flushes would overwrite each other.
  flushInterval: Number(process.env.STATSD_FLUSH_MS || 10000),

  graphite: {
    // stats.counters.NAME.count, stats.timers.NAME.upper_90, stats.gauges.NAME: so that the ending
    // `.count` says how to aggregate. The older names have no such ending.
    legacyNamespace: false
  },
  prefixStats: 'statsd',

  // What is idle ends, and does not stay on the screen as if it were true: the gauges of a
  // reconciler that is gone, the timers of requests that nobody sends.
  deleteIdleStats: true,
  // A counter that stands still is 0 and not unknown: an alarm on it always has data.
  deleteCounters: false,
  // A gauge is sent every 10 s, so a flush may miss one by a moment. It ends after three without.
  gaugesMaxTTL: Number(process.env.STATSD_GAUGE_FLUSHES || 3),

  percentThreshold: [90, 99],
  calculatedTimerMetrics: ['count', 'sum', 'lower', 'mean', 'median', 'upper', 'upper_percent'],

  automaticConfigReload: false
}
