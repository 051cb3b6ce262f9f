// Creators and readers of one pool, dozens of each in several processes, who all wait for the pool's lock; and the one
// who kills among them.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireFileLock } from '../../src/linux/file-lock.ts';
import { processState } from '../../src/linux/processes.ts';
import type { ClusterNode } from '../cluster-node.ts';
import { compileCache } from '../driver-process.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { waitUntil } from '../wait-until.ts';
import { type AccountedCommand, readAccount } from './command-account.ts';
import type { Dice } from './dice.ts';
import { FamfsWaiters } from './famfs-waiters.ts';
import type { Ended, LockKeeping, Want } from './famfs-waiters-main.ts';

/** What each process wants: as many that write the log as that read it. */
const verbs = [
  'creat',
  'logplay',
  'mkdir',
  'fsck',
  'creat',
  'logplay',
  'creat',
  'fsck',
  'creat',
  'logplay',
] as const;
const patienceMs = 180_000;
/** So many processes are let live, for those that get the lock after the killed ones. */
const survivors = 2;

export interface CrowdOptions {
  readonly node: ClusterNode;
  readonly poolUuid: string;
  readonly keeping: LockKeeping;
  readonly processes: number;
  /** What the names that it makes begin with. */
  readonly prefix: string;
}

export class WaitingCrowd {
  readonly #node: ClusterNode;
  readonly #waiters: readonly FamfsWaiters[];
  /** Process ids of commands that were killed. */
  readonly killedCommands = new Set<number>();
  /** How many processes were killed while a command that they had begun went on. */
  killedOverCommand = 0;
  killedMounters = 0;

  private constructor(node: ClusterNode, waiters: readonly FamfsWaiters[]) {
    this.#node = node;
    this.#waiters = waiters;
  }

  /** Starts the processes; resolves when all that they want stands in line, with nobody served yet. */
  static async gather({ node, poolUuid, keeping, processes, prefix }: CrowdOptions): Promise<WaitingCrowd> {
    const lockPath = node.lockFile(poolUuid);
    const mountPoint = path.normalize(node.poolPath(poolUuid));
    const lock = await acquireFileLock(lockPath, { timeoutMs: patienceMs });
    try {
      const waiters = Array.from({ length: processes }, (_, number) => {
        const wants = verbs.map((verb, index): Want => ({ verb, path: `${prefix}${number}-${index}` }));
        const order = { lockPath, binDir: node.places.programs, mountPoint, keeping, wants };
        return new FamfsWaiters(order, compileCache());
      });
      await Promise.all(waiters.map((each) => each.waiting()));
      return new WaitingCrowd(node, waiters);
    } finally {
      lock.release();
    }
  }

  /** The commands whose end was told to a process that lived. */
  get ended(): Ended[] {
    return this.#waiters.flatMap((each) => each.ended);
  }

  /** Every command that was begun. */
  account(): AccountedCommand[] {
    return readAccount(this.#node, this.killedCommands);
  }

  /** Resolves when no process is left and every command that was begun has ended. */
  async finished(): Promise<void> {
    await waitUntil('the crowd has what it wants', () => this.#living.length === 0, patienceMs);
    const starters = new Set(this.#waiters.map(({ pid }) => pid));
    await waitUntil(
      'the last commands have ended',
      () =>
        this.account().every(({ starter, pid }) => !starters.has(starter) || processState(pid) === undefined),
      patienceMs,
    );
  }

  /**
   * Until everybody has what he wants: kills processes while a command of theirs runs, the mounter twice over its replay
   * (it is started again), and now and then a command itself.
   */
  async killAmong(dice: Dice, mounter: RunningMounter): Promise<void> {
    let restart = Promise.resolve();
    for await (const command of this.#commandsAsTheyBegin()) {
      if (command.starter !== mounter.pid) await this.#maybeKill(command, dice);
      else if (this.killedMounters < 2) {
        this.killedMounters++;
        await mounter.kill();
        restart = mounter.restart();
      }
    }
    await restart;
    await this.finished();
  }

  /** Kills processes over their commands until `isEnough`, or until there are no more. */
  async killUntil(isEnough: () => boolean): Promise<void> {
    for await (const command of this.#commandsAsTheyBegin()) {
      if (isEnough()) return;
      await this.#killStarter(command);
    }
  }

  /** Ends what is left of it. */
  async disperse(): Promise<void> {
    await Promise.all(this.#waiters.map((each) => each.kill()));
    await this.finished();
  }

  get #living(): FamfsWaiters[] {
    return this.#waiters.filter((each) => each.isRunning);
  }

  /** The commands of anybody, each soon after it has begun, until nobody of the crowd is left. */
  async *#commandsAsTheyBegin(): AsyncGenerator<AccountedCommand> {
    let seen = 0;
    while (this.#living.length > 0) {
      const account = this.account();
      for (const command of account.slice(seen)) if (command.status === undefined) yield command;
      seen = account.length;
      await sleep(3);
    }
  }

  async #maybeKill(command: AccountedCommand, dice: Dice): Promise<void> {
    if (this.#living.length > survivors && !dice.oneIn(3)) {
      await this.#killStarter(command);
    } else if (dice.oneIn(8)) {
      this.killedCommands.add(command.pid);
      killGroup(command.pid);
    }
  }

  async #killStarter({ starter, pid }: AccountedCommand): Promise<void> {
    const found = this.#living.find((each) => each.pid === starter);
    await found?.kill();
    if (found !== undefined && processState(pid) !== undefined) this.killedOverCommand++;
  }
}

/** A command may have ended of itself by now; its process group is then gone. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
