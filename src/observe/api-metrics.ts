// What a process asks of the API server, as figures for Prometheus. Knows only counts and times, not who keeps them.
import { Counter, Gauge, type Registry } from 'prom-client';

/** Requests since the process began, by what they were and what became of them. */
export interface ApiRequestCount {
  readonly verb: string;
  readonly resource: string;
  readonly code: string;
  readonly count: number;
  readonly seconds: number;
}

export interface ApiFigures {
  requests(): readonly ApiRequestCount[];
  /** For each kind that is followed: when the API server last gave a sign of life, in milliseconds since 1970. */
  lastSeenMs(): Readonly<Record<string, number>>;
}

const labelNames = ['verb', 'resource', 'code'] as const;

/** Adds the figures to a process' metrics; they are read when somebody scrapes. */
export function addApiMetrics(registry: Registry, figures: ApiFigures): void {
  const registers = [registry];
  new Counter({
    name: 'famfs_csi_api_requests_total',
    help: 'Requests to the API server, by verb, kind and HTTP status ("error": there was no answer).',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { verb, resource, code, count } of figures.requests())
        this.inc({ verb, resource, code }, count);
    },
  });
  new Counter({
    name: 'famfs_csi_api_request_seconds_total',
    help: 'Time until the API server began to answer, of all requests together.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { verb, resource, code, seconds } of figures.requests()) {
        this.inc({ verb, resource, code }, seconds);
      }
    },
  });
  new Gauge({
    name: 'famfs_csi_api_last_seen_timestamp_seconds',
    help: 'When the API server last gave a sign of life for a kind that is followed, in seconds since 1970; 0 before the first.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const [kind, ms] of Object.entries(figures.lastSeenMs())) this.set({ kind }, ms / 1000);
    },
  });
}
