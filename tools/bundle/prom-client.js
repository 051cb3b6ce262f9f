// In the place of prom-client: the kinds of metrics that the driver has. Metrics of the process are loaded when they are asked for;
// summaries, push gateways and clusters never are. A bundle whose code imports more does not build.
export { default as Counter } from 'prom-client/lib/counter.js';
export { default as Gauge } from 'prom-client/lib/gauge.js';
export { default as Histogram } from 'prom-client/lib/histogram.js';
export { default as Registry } from 'prom-client/lib/registry.js';

export function collectDefaultMetrics(options) {
  return require('prom-client/lib/defaultMetrics.js')(options);
}
