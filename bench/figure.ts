// What one benchmark is: something with a name that measures, given the servers. Adding a benchmark means adding a
// file to figures/ and a line to figures.ts.
import type { Measurement } from './measurement.ts';
import type { Places, Subject } from './subject.ts';

/** How much work a run does: enough for steady figures, or just enough to see that everything works. */
export interface Effort {
  readonly rounds: number;
  readonly cycles: number;
  readonly warmUpCycles: number;
  /** Cycles that each server does before anything is measured, so that its code is compiled and its caches filled. */
  readonly serverWarmUpCycles: number;
  readonly mappingRounds: number;
  readonly touches: number;
}

export interface Bench {
  readonly places: Places;
  readonly effort: Effort;
  /** What is measured. */
  readonly driver: Subject;
  /** What it is measured against. */
  readonly peer: Subject;
  /** The directory that both publish, reached without either of them; it holds the file `data`. */
  readonly source: string;
  /** Tells a person what is going on. */
  readonly progress: (text: string) => void;
}

export interface Figure {
  readonly name: string;
  readonly summary: string;
  readonly measure: (bench: Bench) => Promise<readonly Measurement[]>;
}
