// How much a stress test does, and by which dice: `npm run stress -- --times 10 --seed 7` does ten times as much.
import { randomInt } from 'node:crypto';

const times = Number(process.env.FAMFS_CSI_STRESS_TIMES ?? '1');

/** `inTheGate` (what the gate does) times what the caller of `npm run stress` asked for; never less than one. */
export function effort(inTheGate: number): number {
  return Math.max(1, Math.round(inTheGate * times));
}

/** Where everything random starts. Printed by a test that uses it, so that a failure can be had again. */
export const seed = Number(process.env.FAMFS_CSI_STRESS_SEED ?? randomInt(2 ** 31));
