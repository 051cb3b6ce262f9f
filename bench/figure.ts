// What one benchmark is: something with a name that measures, given the servers. Adding a benchmark means adding a
// file to figures/ and a line to figures.ts.
import type { Driver } from './driver.ts';
import type { Measurement } from './measurement.ts';
import type { PoolData } from './pool-data.ts';
import type { Programs } from './programs.ts';
import type { Places, Subject } from './subject.ts';

/** How much work a run does: enough for steady figures, or just enough to see that everything works. */
export interface Effort {
  /** Just enough to see that everything works: a figure of its own amounts chooses the small ones. */
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly cycles: number;
  readonly warmUpCycles: number;
  /** Cycles that each server does before anything is measured, so that its code is compiled and its caches filled. */
  readonly serverWarmUpCycles: number;
  readonly mappingRounds: number;
  readonly touches: number;
}

/**
 * On what a run measures: a pool of the simulator; `self-check`, where the peer is in the driver's place and every
 * comparison has to come out even; or `hardware`, a pool that was there before on memory that a person owns.
 */
export type Setting = 'simulated' | 'self-check' | 'hardware';

/** What a machine may lack; `kubernetes`: an API server and etcd, which `npm run e2e` builds. */
export type Need = 'go' | 'root' | 'kubernetes';

/** A driver that a figure has for itself, and what publishes the directory of its pool that holds a small file `data`. */
export interface OwnDriver {
  readonly driver: Driver;
  readonly volumeContext: Readonly<Record<string, string>>;
}

export interface Bench {
  readonly setting: Setting;
  readonly places: Places;
  readonly effort: Effort;
  /** What is measured. */
  readonly driver: Subject;
  /** What it is measured against. */
  readonly peer: Subject;
  /** The directory that both publish, reached without either of them; it holds the file `data`. */
  readonly source: string;
  /** Puts more data into the pool that the driver publishes from. Throws in a self-check, which has no pool. */
  readonly poolData: PoolData;
  /** The driver as it is shipped, to be started by figures that look at its processes. */
  readonly programs: Programs;
  /** Starts another driver on a simulated node of its own, in a new folder of that name. The caller stops it. */
  readonly startOwnDriver: (name: string) => Promise<OwnDriver>;
  /** Tells a person what is going on. */
  readonly progress: (text: string) => void;
}

export interface Figure {
  readonly name: string;
  readonly summary: string;
  /** What the machine must offer; Go (client and peer are Go programs) unless told otherwise. */
  readonly needs?: readonly Need[];
  /** Where the figure means something; with the simulator only unless told otherwise. */
  readonly settings?: readonly Setting[];
  readonly measure: (bench: Bench) => Promise<readonly Measurement[]>;
}
