// The mounter's protocol over an in-memory model, on a real socket: for tests of the processes that talk to the
// mounter. It mounts nothing; what it refuses, the mounter refuses too.
import { EventEmitter, once } from 'node:events';
import { DriverError, type Reason } from '../src/errors.ts';
import type { famfs } from '../src/mounter/generated/mounter.js';
import description from '../src/mounter/generated/mounter.js';
import { protocolVersion } from '../src/mounter/protocol-version.ts';
import { silentLogger } from '../src/observe/logger.ts';
import { type Encodable, enumType, serviceType } from '../src/rpc/codec.ts';
import { FrameServer } from '../src/rpc/frame-server.ts';
import type { Handlers } from '../src/rpc/server.ts';
import { unofferedMounter } from './unoffered-mounter.ts';

type Mounter = famfs.mounter.v1.Mounter;
type StateUpdate = Encodable<famfs.mounter.v1.NodeState>;

const service = serviceType<Mounter>(description, 'famfs.mounter.v1.Mounter');
export const phases = enumType<typeof famfs.mounter.v1.PoolPhase>(description, 'famfs.mounter.v1.PoolPhase');

export const poolA = '11111111-2222-4333-8444-555555555555';
export const poolB = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';

export interface FakeBind {
  readonly target: string;
  readonly poolUuid: string;
  readonly path: string;
  readonly writable: boolean;
  readonly volumeId: string;
  readonly mountId: bigint;
}

/** A mounter without mounts. */
export class FakeMounter {
  readonly binds = new Map<string, FakeBind>();
  /** Directories that the pools hold, as `uuid path`. */
  readonly directories = new Set([`${poolA} models/llama`, `${poolA} models/other`, `${poolB} data`]);
  allowWrites = false;
  /** Of each bind that was asked for: whether it is to be writable only where that stops no pool. */
  readonly safely: boolean[] = [];
  /** Binds that were really made, so that a second mount over the first would be seen. */
  made = 0;
  /** How often each verb was called. */
  readonly calls = new Map<string, number>();
  /** Awaited before a verb answers. */
  gate: ((verb: string, signal: AbortSignal) => Promise<void>) | undefined;
  /** What the next calls of a verb fail with. */
  readonly failures = new Map<string, Reason>();
  problems: { reason: string; message: string }[] = [];
  #state: StateUpdate;
  #revision = 1n;
  #mountId = 100n;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  #server: FrameServer | undefined;

  constructor() {
    this.#state = this.#withRevision({
      settled: true,
      pools: [
        { uuid: poolA, phase: phases.POOL_PHASE_READY },
        { uuid: poolB, phase: phases.POOL_PHASE_MOUNTING },
      ],
    });
  }

  async listen(address: string): Promise<void> {
    this.#server = new FrameServer({ name: 'fake mounter', logger: silentLogger });
    this.#server.addService(service, this.#handlers());
    await this.#server.listen(address);
  }

  async stop(): Promise<void> {
    await this.#server?.drain(0);
    this.#server = undefined;
  }

  report(state: StateUpdate): void {
    this.#state = this.#withRevision(state);
    this.#changes.emit('change');
  }

  #withRevision(state: StateUpdate): StateUpdate {
    return { protocolVersion, ...state, revision: this.#revision++ };
  }

  #handlers(): Handlers<Mounter> {
    const model = this;
    return {
      ...unofferedMounter,
      getState: async () => this.#state,
      watchState: async function* (_request, { signal }) {
        for (let sent: StateUpdate | undefined; !signal.aborted; ) {
          if (sent !== model.#state) {
            sent = model.#state;
            yield sent;
          } else {
            await once(model.#changes, 'change', { signal }).catch(() => {});
          }
        }
      },
      bind: (request, { signal }) => this.#verb('bind', signal, () => this.#bind(request)),
      unbind: (request, { signal }) => this.#verb('unbind', signal, () => this.#unbind(request)),
      listBinds: ({ volumeId }, { signal }) =>
        this.#verb('listBinds', signal, () => ({
          binds: [...this.binds.values()].filter((bind) => volumeId === '' || bind.volumeId === volumeId),
        })),
      stat: (request, { signal }) => this.#verb('stat', signal, () => this.#stat(request)),
      checkHealth: (_request, { signal }) =>
        this.#verb('checkHealth', signal, () => ({ problems: this.problems })),
    };
  }

  async #verb<T>(verb: string, signal: AbortSignal, answer: () => T): Promise<T> {
    this.calls.set(verb, (this.calls.get(verb) ?? 0) + 1);
    await this.gate?.(verb, signal);
    const failure = this.failures.get(verb);
    if (failure !== undefined) throw new DriverError(failure, `told to fail with ${failure}`);
    return answer();
  }

  #bind(request: Omit<FakeBind, 'mountId'> & { soleTarget: boolean; onlySafely: boolean }) {
    const { target, poolUuid, path, writable, volumeId } = request;
    this.safely.push(request.onlySafely);
    this.#requirePath(poolUuid, path);
    if (!target.startsWith('/var/lib/kubelet/')) {
      throw new DriverError('outside-allowed-root', `${target} is outside of /var/lib/kubelet`);
    }
    if (writable && !this.allowWrites) throw new DriverError('writes-refused', 'this node allows no writes');
    const before = this.binds.get(target);
    if (before !== undefined) {
      const same =
        before.poolUuid === poolUuid &&
        before.path === path &&
        before.writable === writable &&
        before.volumeId === volumeId;
      if (!same) throw new DriverError('already-published', `${target} holds something else`);
      return { alreadyBound: true, mountId: before.mountId };
    }
    if (request.soleTarget && [...this.binds.values()].some((bind) => bind.volumeId === volumeId)) {
      throw new DriverError('second-target-refused', `${volumeId} has a target already`);
    }
    const mountId = this.#mountId++;
    this.made += 1;
    this.binds.set(target, { target, poolUuid, path, writable, volumeId, mountId });
    return { alreadyBound: false, mountId };
  }

  #unbind({ target, volumeId }: { target: string; volumeId: string }) {
    const bind = this.binds.get(target);
    if (bind !== undefined && volumeId !== '' && bind.volumeId !== volumeId) {
      throw new DriverError('not-published', `${target} holds another volume`);
    }
    return { wasBound: this.binds.delete(target) };
  }

  #stat({ poolUuid, path }: { poolUuid: string; path: string }) {
    this.#requirePath(poolUuid, path);
    return {
      type: 'dir',
      sizeBytes: 6_000_000n,
      allocatedBytes: 6_291_456n,
      logEntries: 4n,
      poolSizeBytes: 2n ** 40n,
      poolFreeBytes: 2n ** 39n,
      poolLogEntriesTotal: 25_575n,
      poolLogEntriesUsed: 10n,
    };
  }

  #requirePath(poolUuid: string, path: string): void {
    const pools = [...this.directories].map((directory) => directory.split(' ')[0]);
    if (!pools.includes(poolUuid)) throw new DriverError('pool-not-found', `no pool ${poolUuid} here`);
    if (!this.directories.has(`${poolUuid} ${path}`)) throw new DriverError('path-not-found', `no ${path}`);
  }
}
