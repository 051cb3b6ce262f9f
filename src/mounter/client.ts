// The unprivileged processes' end of the mounter's socket: its verbs as typed calls, and its last known state,
// followed for as long as the process lives. Must not know anything of the mounter but its protocol.
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import type { Logger } from '../observe/logger.ts';
import { backOffMs } from '../pace/back-off.ts';
import type { Calls, RpcClient } from '../rpc/client.ts';
import { type Decoded, enumType, serviceType } from '../rpc/codec.ts';
import { createFrameClient } from '../rpc/frame-client.ts';
import description, { type famfs } from './generated/mounter.js';
import { requireHeeded } from './protocol-version.ts';

export type MounterService = famfs.mounter.v1.Mounter;
export type MounterCalls = Calls<MounterService>;
export type NodeState = Decoded<famfs.mounter.v1.NodeState>;
export type Pool = NodeState['pools'][number];
export type Device = NodeState['devices'][number];
export type Problem = NodeState['problems'][number];
export type Bind = Decoded<famfs.mounter.v1.Bind>;

const service = serviceType<MounterService>(description, 'famfs.mounter.v1.Mounter');

export const mappingKind = enumType<typeof famfs.mounter.v1.MappingKind>(
  description,
  'famfs.mounter.v1.MappingKind',
);
export const poolRole = enumType<typeof famfs.mounter.v1.Role>(description, 'famfs.mounter.v1.Role');
export const famfsMode = enumType<typeof famfs.mounter.v1.Mode>(description, 'famfs.mounter.v1.Mode');
export const poolPhase = enumType<typeof famfs.mounter.v1.PoolPhase>(
  description,
  'famfs.mounter.v1.PoolPhase',
);

/**
 * Refuses a writable bind `only_safely` of a mounter that would bind it writable anyway: one that does not heed that field, on a
 * node whose setting allows writers that can stop a pool.
 * @throws DriverError `mounter-outdated`
 */
export function requireSafeWriters(state: NodeState, volumeId: string): void {
  if (state.allowWrites !== 'unsafe') return;
  const what = `To publish the volume ${volumeId} writable only where a writer cannot stop its pool (writes: Allowed)`;
  requireHeeded('onlySafely', state, what);
}

/** What is known of the mounter now. */
export interface MounterView {
  /** The last state it reported; undefined until the first. */
  readonly state: NodeState | undefined;
  /** Why its state cannot be followed now; undefined while it can (and before the first attempt ended). */
  readonly problem: DriverError | undefined;
}

export interface MounterClientOptions {
  /** unix:///path, unix:/path or a path */
  readonly address: string;
  readonly logger: Logger;
}

const backOff = { firstBackOffMs: 25, longestBackOffMs: 2_000 };
const keepaliveMs = 10_000;

/** A connection to the mounter. Start it once; it follows the mounter's state over any number of its restarts. */
export class MounterClient {
  readonly #client: RpcClient<MounterService>;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #listeners = new Set<() => void>();
  #view: MounterView = { state: undefined, problem: undefined };
  #following: Promise<void> | undefined;

  constructor(options: MounterClientOptions) {
    this.#logger = options.logger;
    this.#client = createFrameClient(service, options.address, {
      name: 'the mounter',
      unavailableReason: 'mounter-unavailable',
      keepaliveMs,
    });
  }

  /** The mounter's verbs; a call fails at once with mounter-unavailable while the mounter is away. */
  get calls(): MounterCalls {
    return this.#client.calls;
  }

  get view(): MounterView {
    return this.#view;
  }

  /** Calls back after every change of the view; the function it returns ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Begins to follow the mounter's state. */
  start(): void {
    this.#following ??= this.#follow();
  }

  /** Ends the connection and everything that runs on it. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    this.#client.close();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const problem = await this.#followOnce(() => {
        failures = 0;
      });
      if (signal.aborted) return;
      if (this.#view.problem === undefined) {
        this.#logger.warn('the state of the mounter cannot be followed', { problem: problem.message });
      }
      this.#show({ state: this.#view.state, problem });
      await sleep(backOffMs(failures, backOff), undefined, { signal }).catch(() => {});
      failures += 1;
    }
  }

  /** Reads one stream to its end, which is always a problem: the mounter never ends it while it serves. */
  async #followOnce(onState: () => void): Promise<DriverError> {
    try {
      for await (const state of this.calls.watchState({}, { signal: this.#stopping.signal })) {
        if (this.#view.problem !== undefined) this.#logger.info('the state of the mounter is followed again');
        onState();
        this.#show({ state, problem: undefined });
      }
    } catch (error) {
      return DriverError.from(error);
    }
    return new DriverError('mounter-unavailable', 'the mounter ended the stream of its state');
  }

  #show(view: MounterView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}
