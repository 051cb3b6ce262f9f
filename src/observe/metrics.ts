// The figures a process keeps for Prometheus. Knows the shape of a call, not what any call means.
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the call pipeline tells about each call. */
export interface CallMetrics {
  started(method: string): void;
  /** `code` is the gRPC code by name, such as OK or NOT_FOUND. */
  finished(method: string, code: string, seconds: number): void;
}

const bucketsSeconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 15, 60, 120];

/** The metrics of one process: what the calls do, and a registry that other parts add theirs to. */
export class Metrics implements CallMetrics {
  readonly registry = new Registry();
  readonly #durations: Histogram<'method' | 'code'>;
  // prom-client looks a label set up by a hash of its values at every call; these are remembered instead.
  readonly #durationOf = new Map<string, Histogram.Internal<'method' | 'code'>>();
  /** By method; handed to prom-client when somebody scrapes. */
  readonly #inFlight = new Map<string, number>();

  constructor(options: { role: string; version: string }) {
    this.registry.setDefaultLabels({ role: options.role });
    const registers = [this.registry];
    this.#durations = new Histogram({
      name: 'famfs_csi_operations_seconds',
      help: 'How long calls took, by method and gRPC code.',
      labelNames: ['method', 'code'],
      buckets: bucketsSeconds,
      registers,
    });
    const inFlight = this.#inFlight;
    new Gauge({
      name: 'famfs_csi_operations_in_flight',
      help: 'Calls that are running now, by method.',
      labelNames: ['method'],
      registers,
      collect() {
        for (const [method, calls] of inFlight) this.set({ method }, calls);
      },
    });
    new Gauge({
      name: 'famfs_csi_build_info',
      help: 'Always 1; the version of the driver is the label.',
      labelNames: ['version'],
      registers,
    }).set({ version: options.version }, 1);
  }

  /** Adds memory, CPU, descriptors and event-loop lag of the process; only worth its cost when somebody scrapes. */
  addProcessMetrics(): void {
    collectDefaultMetrics({ register: this.registry, prefix: 'famfs_csi_' });
  }

  started(method: string): void {
    this.#count(method, 1);
  }

  finished(method: string, code: string, seconds: number): void {
    this.#count(method, -1);
    const key = `${method} ${code}`;
    let duration = this.#durationOf.get(key);
    if (duration === undefined) {
      duration = this.#durations.labels({ method, code });
      this.#durationOf.set(key, duration);
    }
    duration.observe(seconds);
  }

  #count(method: string, change: 1 | -1): void {
    this.#inFlight.set(method, (this.#inFlight.get(method) ?? 0) + change);
  }
}
