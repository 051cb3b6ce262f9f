// A dax device as a pool needs it.
import type { PhysicalRange } from './pool-verbs.ts';

/** The device of this node that a pool lies on. */
export interface PoolDevice {
  readonly name: string;
  readonly path: string;
  readonly simulated: boolean;
  readonly physical: PhysicalRange | undefined;
}
