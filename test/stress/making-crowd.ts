// Those who make slots through a mounter and those who read beside them, dozens of each, and what is done to them: calls cut
// off as by the death of who called, famfs commands killed, the mounter killed over a command that goes on.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError, type Reason } from '../../src/errors.ts';
import { openLogSource } from '../../src/famfs/log-source.ts';
import { PoolLog } from '../../src/famfs/pool-log.ts';
import { processState } from '../../src/linux/processes.ts';
import { MounterClient } from '../../src/mounter/client.ts';
import { silentLogger } from '../../src/observe/logger.ts';
import type { RunningMounter } from '../running-mounter.ts';
import { type AccountedCommand, readAccount } from './command-account.ts';
import type { Dice } from './dice.ts';

/** A slot that somebody wants: a directory with files of these sizes. */
export interface WantedSlot {
  readonly directory: string;
  readonly files: readonly { readonly name: string; readonly sizeBytes: bigint }[];
}

/** What a call may say while others are killed; the caller asks again. */
const passing: ReadonlySet<Reason> = new Set([
  ...(['mounter-unavailable', 'cancelled', 'shutting-down', 'command-failed'] as const),
  ...(['pool-not-found', 'pool-not-ready', 'pool-busy', 'path-not-found'] as const),
]);
const retryMs = 50;
const readPauseMs = 100;

export interface CrowdPlaces {
  readonly poolUuid: string;
  readonly master: RunningMounter;
  /** A node that replays what the master makes. */
  readonly client: RunningMounter;
  /** The folder of the memory, for readers of the log itself. */
  readonly memory: string;
}

export class MakingCrowd {
  readonly #places: CrowdPlaces;
  readonly killedCommands = new Set<number>();
  killedMounters = 0;
  killedOverCommand = 0;
  cutOff = 0;
  reads = 0;
  #isOver = false;
  readonly #calls = new Set<MounterClient>();

  constructor(places: CrowdPlaces) {
    this.#places = places;
  }

  /** Every command of the master that was begun. */
  account(): AccountedCommand[] {
    return readAccount(this.#places.master.node, this.killedCommands);
  }

  /**
   * Has all slots made while so many read, and kills among them; resolves when every slot is made.
   * @throws what a maker or a reader was told that it must not be told
   */
  async work(slots: readonly WantedSlot[], readers: number, dice: Dice, mounterKills: number): Promise<void> {
    this.#isOver = false;
    const reading = Array.from({ length: readers }, (_, index) => this.#read(index, slots));
    const making = Promise.all(slots.map((slot) => this.#make(slot))).finally(() => {
      this.#isOver = true;
    });
    await Promise.all([making, ...reading, this.#killAmong(dice, mounterKills)]);
  }

  /** As an agent does that is killed and comes back: each try on a connection of its own. */
  async #make({ directory, files }: WantedSlot): Promise<void> {
    const { poolUuid, master } = this.#places;
    const order = { poolUuid, directory, files: [...files], mode: 0o640, uid: 1000, gid: 1000 };
    for (;;) {
      const client = new MounterClient({ address: master.node.places.mounterSocket, logger: silentLogger });
      this.#calls.add(client);
      try {
        let filesMade = 0;
        for await (const report of client.calls.makeFiles(order)) {
          assert.ok(report.filesMade >= filesMade && report.filesMade <= files.length);
          filesMade = report.filesMade;
        }
        assert.equal(filesMade, files.length, directory);
        return;
      } catch (error) {
        requirePassing(error);
        await sleep(retryMs);
      } finally {
        this.#calls.delete(client);
        await client.close();
      }
    }
  }

  /** A third read by the master, a third by a client, a third the log itself. */
  async #read(index: number, slots: readonly WantedSlot[]): Promise<void> {
    if (index % 3 === 2) return this.#readLog();
    const { poolUuid, master, client } = this.#places;
    const reader = index % 3 === 0 ? master : client;
    for (let turn = index; !this.#isOver; turn++) {
      const slot = slots[turn % slots.length] ?? assert.fail('there is no slot');
      try {
        const { sizeBytes, poolLogEntriesUsed } = await reader.calls.stat({ poolUuid, path: slot.directory });
        const wanted = slot.files.reduce((sum, file) => sum + file.sizeBytes, 0n);
        assert.ok(sizeBytes <= wanted, `${slot.directory} has ${sizeBytes} of ${wanted} bytes`);
        assert.ok(poolLogEntriesUsed > 0n);
        this.reads++;
      } catch (error) {
        requirePassing(error);
      }
      await sleep(readPauseMs);
    }
  }

  async #readLog(): Promise<void> {
    const source = await openLogSource(this.#places.memory);
    const log = new PoolLog(source);
    try {
      let entries = 0;
      while (!this.#isOver) {
        await log.refresh();
        assert.ok(log.entries.length >= entries, 'the log has grown shorter');
        entries = log.entries.length;
        this.reads++;
        await sleep(readPauseMs);
      }
    } finally {
      source.close();
    }
  }

  async #killAmong(dice: Dice, mounterKills: number): Promise<void> {
    for (let seen = 0; !this.#isOver; ) {
      const account = this.account();
      for (const command of account.slice(seen)) {
        if (command.status === undefined && !this.#isOver) await this.#maybeKill(command, dice, mounterKills);
      }
      seen = account.length;
      await sleep(3);
    }
  }

  async #maybeKill({ pid }: AccountedCommand, dice: Dice, mounterKills: number): Promise<void> {
    const { master } = this.#places;
    if (this.killedMounters < mounterKills && dice.oneIn(10)) {
      this.killedMounters++;
      await master.kill();
      if (processState(pid) !== undefined) this.killedOverCommand++;
      await master.restart();
    } else if (dice.oneIn(8)) {
      this.killedCommands.add(pid);
      killGroup(pid);
    } else if (dice.oneIn(3)) {
      const [call] = [...this.#calls].slice(dice.below(this.#calls.size));
      if (call === undefined) return;
      this.cutOff++;
      await call.close();
    }
  }
}

function requirePassing(error: unknown): void {
  if (error instanceof DriverError && passing.has(error.reason)) return;
  throw error;
}

/** A command may have ended of itself by now; its process group is then gone. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
