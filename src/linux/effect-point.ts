// Where a process is about to have an effect outside of itself, or has just had it: names that a test can wait for, and
// die at. Off unless the environment names a folder when the process starts. Knows no effect and no process.
// (docs/adr/0013-effect-points.md)
import { appendFileSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';

/** The variable that switches effect points on; it names a folder of the test's. */
export const effectPointsVariable = 'FAMFS_CSI_EFFECT_POINTS';

/** In that folder: the name of each point that was passed, line by line, in the order of the whole node. */
export const passedFile = 'passed';
/** In that folder, `kill-N` with a point's name in it: who is the N-th to pass that point from now on kills itself. */
export const killFilePrefix = 'kill-';
/** In that folder: what `kill-N` has become when it was obeyed. */
export const killedFile = 'killed';

const folder = process.env[effectPointsVariable];
let role = 'process';

/** Says what this process is (`mounter`, `worker`, `famfs mount`): the first word of the names of its points. */
export function nameEffectRole(name: string): void {
  role = name;
}

/** To be called just before an effect, named by a verb and what it is for: `mkdir target`. */
export function beforeEffect(effect: string): void {
  if (folder !== undefined) pass(folder, `${role}: before ${effect}`);
}

/** To be called just after an effect that succeeded. */
export function afterEffect(effect: string): void {
  if (folder !== undefined) pass(folder, `${role}: after ${effect}`);
}

/** Does `effect` between its two points. */
export function atEffect<T>(effect: string, work: () => T): T {
  beforeEffect(effect);
  const result = work();
  afterEffect(effect);
  return result;
}

/** What children need in their environment to take part: nothing, unless this process does. */
export function effectEnvironment(): Readonly<Record<string, string>> {
  return folder === undefined ? {} : { [effectPointsVariable]: folder };
}

function pass(directory: string, name: string): void {
  appendFileSync(path.join(directory, passedFile), `${name}\n`);
  if (!isMyTurn(directory, name)) return;
  // A signal to oneself is taken before kill(2) returns, so nothing of the process happens any more.
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable: SIGKILL does not return');
}

/** Counts down by renaming, which only one process can do: two that pass at once are two, and only one is killed. */
function isMyTurn(directory: string, name: string): boolean {
  for (;;) {
    const file = readdirSync(directory).find((entry) => entry.startsWith(killFilePrefix));
    if (file === undefined) return false;
    const left = Number(file.slice(killFilePrefix.length));
    const place = path.join(directory, file);
    try {
      if (readFileSync(place, 'utf8') !== name) return false;
      renameSync(place, path.join(directory, left > 1 ? `${killFilePrefix}${left - 1}` : killedFile));
      return left <= 1;
    } catch (error) {
      // Somebody else was faster, or the test has withdrawn it.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}
