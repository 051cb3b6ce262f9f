// The pools of this very node as provisioning wants to know them: for a single host, where nobody else reports any.

import { isReason } from '../errors.ts';
import { type MounterClient, type Pool, poolPhase, poolRole } from '../mounter/client.ts';
import { BoundSlots } from '../volumes/bound-slots.ts';
import type { PoolUuid } from '../volumes/ids.ts';
import {
  type DeletedVolumes,
  grantOf,
  type PoolFacts,
  type Pools,
  type PoolWrites,
} from '../volumes/pool-facts.ts';
import type { LeftSlot, SlotsInUse } from '../volumes/slot-scrubber.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';

export interface LocalPoolsOptions {
  readonly mounter: Pick<MounterClient, 'calls'>;
  readonly node: string;
  readonly deletedVolumes: DeletedVolumes;
}

const writesOf: Readonly<Record<string, PoolWrites>> = {
  never: 'Forbidden',
  safe: 'Allowed',
  unsafe: 'AllowedUnsafe',
};

/** Pools by what the mounter reports. A pool is named by its UUID. */
export class LocalPools implements Pools {
  readonly #options: LocalPoolsOptions;

  constructor(options: LocalPoolsOptions) {
    this.#options = options;
  }

  /** Asks the mounter afresh: what it reports by itself can be a tenth of a second old. */
  async list(): Promise<readonly PoolFacts[]> {
    const state = await this.#options.mounter.calls.getState({});
    return state.pools.map((pool) => this.#factsOf(pool, state.allowWrites));
  }

  async publishedVolumeIds(): Promise<ReadonlySet<string>> {
    const { binds } = await this.#options.mounter.calls.listBinds({});
    return new Set(binds.map(({ volumeId }) => volumeId));
  }

  async boundSlots(): Promise<BoundSlots> {
    return new BoundSlots((await this.#options.mounter.calls.listBinds({})).binds);
  }

  /** Of what deleted volumes left, that which a pod has mounted, under whatever volume's name. */
  async slotsInUse(left: readonly LeftSlot[]): Promise<SlotsInUse> {
    const { binds } = await this.#options.mounter.calls.listBinds({});
    const volumeIds = new Set(binds.map(({ volumeId }) => volumeId));
    const bound = new BoundSlots(binds);
    const used = left.filter((slot) => volumeIds.has(slot.formerVolumeId) || bound.has(slot));
    return new Map(used.map(({ slot }) => [slot, 'A pod has it mounted; it goes on when that ends.']));
  }

  #factsOf(pool: Pool, allowWrites: string): PoolFacts {
    const { node, deletedVolumes } = this.#options;
    return {
      name: pool.uuid,
      uuid: pool.uuid as PoolUuid,
      writes: writesOf[allowWrites] ?? 'Forbidden',
      deletedVolumes,
      sizeBytes: pool.sizeBytes,
      freeBytes: pool.freeBytes,
      longestFreeRunBytes: pool.longestFreeRunBytes,
      allocationUnitBytes: pool.allocationUnitBytes,
      logEntriesFree: Number(pool.logEntriesTotal - pool.logEntriesUsed),
      master: pool.role === poolRole.ROLE_MASTER ? node : undefined,
      nodes: [{ name: node, writers: grantOf(pool.writers) }],
      problem: problemOf(pool),
    };
  }
}

function problemOf({ uuid, phase, problem }: Pool): RecordProblem | undefined {
  if (problem != null)
    return { reason: isReason(problem.reason) ? problem.reason : 'internal', message: problem.message };
  if (phase === poolPhase.POOL_PHASE_READY) return undefined;
  return { reason: 'pool-not-ready', message: `Pool ${uuid} is on this node but not mounted yet.` };
}
