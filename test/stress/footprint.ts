// What a node of a simulated cluster holds, for tests that send its driver what nobody should: nothing may be there after them
// that was not before. And what the logs of its processes may not hold.
import assert from 'node:assert/strict';
import { createReadStream, readdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { readMountTable } from '../../src/linux/mount-table.ts';
import type { ClusterNode } from '../cluster-node.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';

/** What a test may look at before and after: nothing in it may change but by what is undone again. */
export interface Footprint {
  readonly mounts: readonly string[];
  /** Every name below the node's directories. */
  readonly files: readonly string[];
}

/** What there is now. */
export function footprintOf(cluster: SimulatedCluster, node: ClusterNode): Footprint {
  const { root, kubelet, pools, shadow, locks, binds, programs, tmp } = node.places;
  const sockets = path.dirname(node.places.csiSocket);
  return {
    mounts: readMountTable()
      .map(({ fileSystemType, mountPoint }) => `${fileSystemType} ${mountPoint}`)
      .sort(),
    files: [
      ...readdirSync(cluster.directory).map((name) => `${cluster.directory}/${name}`),
      ...readdirSync(root).map((name) => `${root}/${name}`),
      ...[kubelet, pools, shadow, locks, binds, programs, tmp, sockets].flatMap((folder) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
      ),
    ].sort(),
  };
}

/** Fails when something is there that was not, unless its whole name is `mayBeNew`, or gone that was. */
export function assertSameFootprint(after: Footprint, before: Footprint, mayBeNew?: RegExp): void {
  for (const kind of ['mounts', 'files'] as const) {
    const was = new Set(before[kind]);
    const is = new Set(after[kind]);
    const added = after[kind].filter((each) => !was.has(each));
    const odd = added.filter((each) => mayBeNew === undefined || !mayBeNew.test(each));
    assert.deepEqual(odd.slice(0, 20), [], `new ${kind}`);
    assert.deepEqual(before[kind].filter((each) => !is.has(each)).slice(0, 20), [], `missing ${kind}`);
    assert.equal(after[kind].length, before[kind].length + added.length);
  }
}

/** Fails when the log of a process tells of a surprise, or shows what nobody can see. */
export async function assertNoSurprises(logPath: string, name: string): Promise<void> {
  const surprises: string[] = [];
  let shown: string | undefined;
  for await (const line of createInterface(createReadStream(logPath))) {
    if (/"level":"error"|unhandled|uncaught|^\S+ error /i.test(line)) surprises.push(line);
    if (/\p{C}/u.test(line)) shown ??= line;
  }
  assert.deepEqual(surprises.slice(0, 5), [], `surprises in the log of the ${name}`);
  assert.equal(shown, undefined, `the log of the ${name} shows invisible characters as they are`);
}
