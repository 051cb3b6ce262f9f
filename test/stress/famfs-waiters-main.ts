// A process that wants many famfs commands at once, as a busy mounter does: each waits in a queue of its own for the
// lock of the pool, and runs by the driver's own parts. It writes a line when all wait, and one for each that ended.
// Argument: an order as JSON.
import { writeSync } from 'node:fs';
import { FamfsCommands } from '../../src/famfs/famfs-commands.ts';
import { CommandQueue } from '../../src/mounter/command-queue.ts';

/** What holds the lock while a command runs. */
export type LockKeeping = 'process and command' | 'process alone' | 'nobody';

export type WantedVerb = 'creat' | 'mkdir' | 'logplay' | 'fsck';

/** One famfs command that is wanted. `path` is of use to the two that make something. */
export interface Want {
  readonly verb: WantedVerb;
  readonly path: string;
}

export interface WaitersOrder {
  readonly lockPath: string;
  readonly binDir: string;
  readonly mountPoint: string;
  readonly keeping: LockKeeping;
  readonly wants: readonly Want[];
}

/** What is said about a command that ended: its outcome, and what was wrong. */
export interface Ended extends Want {
  readonly kind: 'ok' | 'unproven' | 'failed';
  readonly problem: string;
}

/** Of each file; with its index it makes sizes that differ, in allocations of one unit or two. */
const fileBytes = 4096n;
const patienceMs = 300_000;
const owner = { uid: 0, gid: 0 };

async function run(order: WaitersOrder): Promise<void> {
  const commands = new FamfsCommands({
    mode: 'fuse',
    location: { kind: 'image' },
    famfsBinDir: order.binDir,
  });
  const ends = order.wants.map((want) => inTurn(order, (lockFd) => carryOut(commands, order, want, lockFd)));
  say('all wait');
  await Promise.all(ends);
  say('all ended');
}

/** With nobody to keep a lock, each has a queue on a file that no other looks at. */
function inTurn(order: WaitersOrder, work: (lockFd: number | undefined) => Promise<void>): Promise<void> {
  if (order.keeping === 'nobody') return work(undefined);
  const keepsAlone = order.keeping === 'process alone';
  return new CommandQueue(order.lockPath).run((lockFd) => work(keepsAlone ? undefined : lockFd), {
    timeoutMs: patienceMs,
  });
}

async function carryOut(
  commands: FamfsCommands,
  { mountPoint }: WaitersOrder,
  want: Want,
  lockFd: number | undefined,
): Promise<void> {
  const options = lockFd === undefined ? {} : { lockFd };
  const place = { mountPoint, path: want.path };
  const outcome = await {
    creat: () => commands.creat({ ...place, ...owner, sizeBytes: fileBytes, mode: 0o644 }, options),
    mkdir: () => commands.mkdir({ ...place, ...owner, mode: 0o755 }, options),
    logplay: () => commands.logplay({ mountPoint }, options),
    fsck: () => commands.fsck({ mountPoint }, options),
  }[want.verb]();
  const problem = outcome.kind === 'ok' ? '' : outcome.error.message;
  say(JSON.stringify({ ...want, kind: outcome.kind, problem } satisfies Ended));
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '') as WaitersOrder);
