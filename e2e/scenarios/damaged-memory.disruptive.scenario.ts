// What a cluster tells of a pool whose memory was lost or damaged, and what still serves.
import assert from 'node:assert/strict';
import { logEntryOffset, logHeaderBytes, parseLogHeader } from '../../src/famfs/log-header.ts';
import { boundClaim } from '../world/claimed-volume.ts';
import { driverPod, mounters } from '../world/driver-pods.ts';
import { poolOnNode } from '../world/node-report.ts';
import { eraseSuperblock, memoryOf, ownPool } from '../world/own-pool.ts';
import { poolSays } from '../world/pool-conditions.ts';
import { scenario } from '../world/scenario.ts';
import { simulatedNode, staticVolume } from '../world/static-volume.ts';
import { storageClass } from '../world/storage-class.ts';
import { filledClaim, TirelessReader } from '../world/tireless-reader.ts';
import type { World } from '../world/world.ts';

const [master, node] = ['node-a', 'node-b'] as const;
const device = 'dax5.0';
const memory = memoryOf(device);
const saved = '/dev/shm/famfs-csi-e2e-saved';

scenario(
  'the superblock of a pool is gone: the pool is lost, it says, and so does a claim; pods that have it mapped read on, those that come wait, and it is back when its memory is',
  async (world) => {
    const { name } = await ownPool(world, device);
    const claim = await filledClaim(world, await storageClass(world, 'own', { pool: name }), master);
    const reader = await TirelessReader.start(world, 'reader', node, claim);
    const superblock = `${memory}/superblock`;
    const bringBack = putBackAtEnd(
      world,
      'the superblock is gone',
      `cat ${saved} > ${superblock} && rm ${saved}`,
    );
    world.console.on(master, 'cp', superblock, saved);
    eraseSuperblock(world, device);

    const { message } = await poolSays(world, name, ['Lost', 'True', 'SuperblockRefused']);
    assert.match(message, /does not carry it any more/);
    await world.event('FamfsPool', name, /does not carry it any more/);
    const immediate = { volumeBindingMode: 'Immediate' };
    await world.claim('late', await storageClass(world, 'now', { pool: name }, immediate), '2Mi');
    await world.event('PersistentVolumeClaim', 'late', /does not carry it any more/);
    await world.startPod({ name: 'newcomer', node, volumes: [{ claim, readOnly: true }] });
    await world.event('Pod', 'newcomer', /superblock/);
    await reader.neverNoticed();

    await bringBack();
    await poolSays(world, name, ['Lost', 'False']);
    await world.podReady('newcomer', 240_000);
    await boundClaim(world, 'late', 240_000);
    await reader.neverNoticed();
  },
  { needs: 'console', timeoutMs: 900_000 },
);

scenario(
  'an entry of a pool’s log is damaged: its nodes refuse it by number, the pool says so, volumes before it are read and published, one behind it waits until the entry is whole',
  async (world) => {
    const { name, uuid } = await ownPool(world, device);
    const claim = await filledClaim(world, await storageClass(world, 'own', { pool: name }), master);
    const reader = await TirelessReader.start(world, 'reader', node, claim);
    const { entry, mend } = damagedEntry(world, uuid, 'later');

    const problem = await world.until(`${node} refuses the log`, async () => {
      const pool = await poolOnNode(world, node, uuid);
      return pool.problem?.reason === 'log-refused' && pool.problem;
    });
    assert.match(problem.message, new RegExp(`\\b${entry}\\b`));
    await poolSays(world, name, ['NodesServe', 'False', 'LogRefused']);
    await world.event('FamfsPool', name, new RegExp(`\\b${entry}\\b`));
    await world.pod({ name: 'before', node, volumes: [{ claim, readOnly: true }] });
    const later = await staticVolume(world, { name: 'later', pool: name, path: 'later' });
    await world.startPod({ name: 'behind', node, volumes: [{ claim: later }] });
    await world.event('Pod', 'behind', new RegExp(`Log entry ${entry} is refused`));
    assert.match(await inspected(world, uuid), new RegExp(`\\b${entry}\\b`));
    await reader.neverNoticed();

    await mend();
    await poolSays(world, name, ['NodesServe', 'True']);
    await world.podReady('behind');
  },
  { needs: 'console', timeoutMs: 900_000 },
);

/** Makes a directory and damages the entry of the log that tells of it, before anybody has read it. */
function damagedEntry(world: World, uuid: string, directory: string) {
  const log = `${memory}/log`;
  const header = world.console.on(master, 'sh', '-c', `head -c ${logHeaderBytes} ${log} | base64`);
  const entry = Number(parseLogHeader(Buffer.from(header, 'base64')).nextIndex);
  // Within the path.
  const at = logEntryOffset(entry) + 100;
  const mend = putBackAtEnd(
    world,
    'an entry of the log is damaged',
    `dd if=${saved} of=${log} bs=1 seek=${at} conv=notrunc && rm ${saved}`,
  );
  const make = `${simulatedNode(master)}/bin/famfs mkdir -m 755 /run/famfs/pools/${uuid}/${directory}`;
  const save = `dd if=${log} of=${saved} bs=1 skip=${at} count=1`;
  const damage = `printf '\\377' | dd of=${log} bs=1 seek=${at} conv=notrunc`;
  const steps = `set -e; ${make}; ${save}; ${damage}`;
  world.console.on(master, 'flock', `/run/famfs/locks/pool-${uuid}`, 'sh', '-c', steps);
  return { entry, mend };
}

/** Has a script put back what was saved, at the end of the scenario at the latest. @returns does it now */
function putBackAtEnd(world: World, what: string, script: string): () => Promise<void> {
  return world.undoAtEnd(what, () => {
    world.console.on(master, 'sh', '-c', `test ! -e ${saved} || { ${script}; }`);
  });
}

/** What `famfs-csi inspect` says of the pool in the mounter's pod. */
async function inspected(world: World, uuid: string): Promise<string> {
  const { metadata } = await driverPod(world, mounters, node);
  const command = ['famfs-csi', 'inspect', `/run/famfs/pools/${uuid}`];
  const { stdout, stderr } = await world.api.run(
    world.ground.driverNamespace,
    metadata.name,
    'mounter',
    command,
  );
  return stdout + stderr;
}
