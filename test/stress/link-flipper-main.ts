// The program of an attacker who turns directories into symbolic links and back, as fast as the kernel lets it. Started by
// link-flipper.ts; does only synchronous calls and ends, with everything put back, when its stop file appears.
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { declareFunction } from '../../src/linux/libc.ts';
import { mountFileSystem, mountFlags, unmount } from '../../src/linux/mounts.ts';
import type { FlipPlace, FlipPlan } from './link-flipper.ts';

const renameat2Function = declareFunction('renameat2', 'int', ['int', 'str', 'int', 'str', 'uint']);
const renameExchange = 2;
const oPath = 0o10000000;
const longestPauseMicroseconds = 200;
const flipsBetweenLooks = 50;

const [planFile = ''] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, 'utf8')) as FlipPlan;
let dice = plan.seed >>> 0;
let flips = 0;

/** xorshift32: quick, and the same for the same seed. */
function throwDice(below: number): number {
  dice ^= dice << 13;
  dice ^= dice >>> 17;
  dice ^= dice << 5;
  dice >>>= 0;
  return dice % below;
}

function pause(): void {
  const until = performance.now() + throwDice(longestPauseMicroseconds) / 1000;
  while (performance.now() < until);
}

/** What the plan says of a place, with its directory held open: flips above it do not lead us elsewhere. */
interface OpenPlace extends FlipPlace {
  readonly fd: number;
}

function at(place: OpenPlace, suffix = ''): string {
  return `/proc/self/fd/${place.fd}/${place.name}${suffix}`;
}

/** True when it could be done. Whatever stands in the way is one of the things a race does. */
function attempt(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

function nextLink(place: OpenPlace): string {
  return place.links[throwDice(place.links.length)] ?? '';
}

/** One step for the kernel: there is no moment without an entry of that name. */
function exchange(place: OpenPlace): void {
  const other = `${place.name}.alt`;
  if (attempt(() => unlinkSync(at(place, '.alt')))) symlinkSync(nextLink(place), at(place, '.alt'));
  const swap = (): boolean =>
    Number(renameat2Function(place.fd, place.name, place.fd, other, renameExchange)) === 0;
  if (!swap()) return;
  flips++;
  pause();
  if (!swap()) throw new Error(`${place.directory}/${place.name} cannot be put back`);
}

/** By the calls that everybody knows, with a moment in between in which there is nothing. */
function moveAway(place: OpenPlace): void {
  if (!attempt(() => renameSync(at(place), at(place, '.alt')))) return;
  flips++;
  pause();
  if (attempt(() => symlinkSync(nextLink(place), at(place)))) {
    pause();
    unlinkSync(at(place));
  }
  pause();
  renameSync(at(place, '.alt'), at(place));
}

/** The target itself, which comes and goes: a directory that was just made is taken away and replaced. */
function replaceLeaf(place: OpenPlace): void {
  attempt(() => rmdirSync(at(place)));
  if (!attempt(() => symlinkSync(nextLink(place), at(place)))) return;
  flips++;
  pause();
  unlinkSync(at(place));
}

function mountOver(place: OpenPlace): void {
  const target = path.join(place.directory, place.name);
  const over = { source: nextLink(place), target, type: 'none', flags: mountFlags.bind };
  if (!attempt(() => mountFileSystem(over))) return;
  flips++;
  pause();
  // A bind by path that is taken away again can take this along: an unmount propagates to the peers of a shared mount.
  attempt(() => unmount(target, { detach: true }));
}

const flip = { exchange, moveAway, replaceLeaf, mountOver } as const;

const places = plan.places.map((place): OpenPlace => {
  const fd = openSync(place.directory, oPath | constants.O_DIRECTORY);
  const opened = { ...place, fd };
  if (place.how === 'exchange' && !lstatSync(at(opened, '.alt'), { throwIfNoEntry: false })) {
    symlinkSync(nextLink(opened), at(opened, '.alt'));
  }
  return opened;
});
writeFileSync(plan.reportFile, '0');
while (!existsSync(plan.stopFile)) {
  for (let i = 0; i < flipsBetweenLooks; i++) {
    const place = places[throwDice(places.length)];
    if (place !== undefined) flip[place.how](place);
    pause();
  }
}
for (const place of places) {
  if (place.how === 'exchange') unlinkSync(at(place, '.alt'));
  closeSync(place.fd);
}
writeFileSync(plan.reportFile, String(flips));
