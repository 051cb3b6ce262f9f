// The ways in which a pool of a crowd can be ill, each with what ends it. Knows nothing of what is measured meanwhile.
import { copyFileSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Reason } from '../src/errors.ts';
import { readMountTable } from '../src/linux/mount-table.ts';
import { hangForGood } from '../test/hung-file-system.ts';
import { mountElsewhere } from '../test/mounted-elsewhere.ts';
import { waitUntil } from '../test/wait-until.ts';
import { type CrowdedPool, formatDevice, simulate } from './pool-crowd.ts';

const patienceMs = 60_000;

export interface Illness {
  readonly name: string;
  /** For titles: "beside …". */
  readonly beside: string;
  /** What the node says of it. */
  readonly reason: Reason;
  /** It takes a pool that no pod has. */
  readonly unused?: boolean;
  /** Makes a pool ill. @returns ends that */
  begin(pool: CrowdedPool): Promise<() => Promise<void> | void>;
}

export const dead: Illness = {
  name: 'dead',
  beside: 'a dead pool',
  reason: 'pool-dead',
  async begin(pool) {
    process.kill(pool.daemon(), 'SIGKILL');
    return () => undefined;
  },
};

export const illnesses: readonly Illness[] = [
  dead,
  {
    name: 'hung',
    beside: 'a hung pool',
    reason: 'pool-hung',
    async begin(pool) {
      const daemon = pool.daemon();
      process.kill(daemon, 'SIGSTOP');
      return () => void process.kill(daemon, 'SIGCONT');
    },
  },
  {
    name: 'hung-for-good',
    beside: 'a hung pool with a caller that nothing can end',
    reason: 'pool-hung',
    async begin({ poolPath }) {
      const { end } = await hangForGood(poolPath, 'set/data');
      return end;
    },
  },
  {
    name: 'poisoned',
    beside: 'a poisoned pool',
    reason: 'pool-memory-failed',
    async begin(pool) {
      pool.poison(true);
      return () => pool.poison(false);
    },
  },
  {
    name: 'reformatted',
    beside: 'a pool that another node has formatted',
    reason: 'pool-reformatted',
    begin: formatElsewhere,
  },
  {
    name: 'held-elsewhere',
    beside: 'a pool whose memory somebody else has mounted',
    reason: 'pool-held-elsewhere',
    unused: true,
    begin: holdElsewhere,
  },
];

/** Another node makes a file system there. In the end the memory is as it was. */
async function formatElsewhere({ memory }: CrowdedPool): Promise<() => void> {
  const elsewhere = mkdtempSync(`${memory}-elsewhere-`);
  const parts = ['superblock', 'log'];
  for (const part of parts) copyFileSync(path.join(memory, part), path.join(elsewhere, part));
  const node = path.join(elsewhere, 'node');
  simulate('create-node', node, '--device', `${memory}=dax0.0`);
  await formatDevice(node, 'dax0.0');
  return () => {
    // Into the same files: nodes have them mapped.
    for (const part of parts)
      writeFileSync(path.join(memory, part), readFileSync(path.join(elsewhere, part)), { flag: 'r+' });
  };
}

/** Its mount ends, and before it is made again a process in a mount namespace of its own has made one. */
async function holdElsewhere(pool: CrowdedPool): Promise<() => Promise<void>> {
  const { famfs, poolPath, device, memory } = pool;
  const real = `${famfs}.real`;
  renameSync(famfs, real);
  // Mounts fail, but for the dummy ones that identify a device.
  const spoilt = `#!/bin/sh\ncase "$1 $*" in "mount "*" -D "*) ;; "mount "*) exit 1 ;; esac\nexec '${real}' "$@"\n`;
  try {
    writeFileSync(famfs, spoilt, { mode: 0o755 });
    process.kill(pool.daemon(), 'SIGKILL');
    const isMounted = () => readMountTable().some(({ mountPoint }) => mountPoint === poolPath);
    await waitUntil('the dead mount is gone', () => !isMounted(), patienceMs);
    return await mountElsewhere({ famfs: real, device, place: `${memory}-held` });
  } finally {
    renameSync(real, famfs);
  }
}
