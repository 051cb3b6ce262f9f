// Publishes and unpublishes volumes by asking the mounter, one call per volume and target at a time. Keeps nothing that
// matters: the truth about binds is the kernel's.
import { DriverError } from '../errors.ts';
import {
  type Bind,
  type MounterCalls,
  type MounterView,
  type NodeState,
  type Problem,
  poolPhase,
  requireSafeWriters,
} from '../mounter/client.ts';
import type { CallContext } from '../rpc/call.ts';
import type { CallOptions } from '../rpc/client.ts';
import { steadyNowMs } from '../rpc/steady-clock.ts';
import type { PoolUuid, TargetPath, VolumeId } from '../volumes/ids.ts';
import { OperationLocks } from './operation-locks.ts';
import type { PublishOrder } from './publish-order.ts';
import { RecentFailures } from './recent-failures.ts';

/** How long the mounter may take when the caller set no deadline: as long as kubelet gives. */
const defaultTimeoutMs = 120_000;
/** Of the time a caller gives, so much is kept for telling it why there was too little. */
const marginShare = 0.1;
const longestMarginMs = 2000;

/** What a publisher needs of the mounter: its verbs, and what is known of its pools. */
export interface MounterAccess {
  readonly calls: MounterCalls;
  readonly view: MounterView;
}

/** The volumes of this node as calls change and look at them. */
export class Publisher {
  readonly #access: MounterAccess;
  readonly #locks = new OperationLocks();
  readonly #failures = new RecentFailures();

  constructor(access: MounterAccess) {
    this.#access = access;
  }

  get #mounter(): MounterCalls {
    return this.#access.calls;
  }

  /** Repeating a publish that succeeded changes nothing; the mounter compares with what the kernel has. */
  async publish(order: PublishOrder, context: CallContext): Promise<void> {
    const { volumeId, target, poolUuid, path } = order;
    await this.#locks.run([`volume ${volumeId}`, `target ${target}`], async () => {
      try {
        if (order.onlySafely) requireSafeWriters(await this.#state(context), volumeId);
        await this.#mounter.bind(order, withMargin(context));
        this.#failures.delete(volumeId);
      } catch (error) {
        this.#failures.add(volumeId, { poolUuid, path });
        throw this.#explained(error, poolUuid);
      }
    });
  }

  async unpublish(volumeId: VolumeId, target: TargetPath, context: CallContext): Promise<void> {
    await this.#locks.run([`volume ${volumeId}`, `target ${target}`], async () => {
      await this.#mounter.unbind({ volumeId, target }, within(context));
      this.#failures.delete(volumeId);
    });
  }

  /** What is wrong with a volume: where it is published, or else where it was tried last. */
  async problemsOf(
    volumeId: VolumeId,
    target: TargetPath | undefined,
    context: CallContext,
  ): Promise<Problem[]> {
    const binds = await bindsOf(this.#mounter, volumeId, target, context);
    const failed = this.#failures.get(volumeId);
    const looked = binds.length > 0 || failed === undefined ? binds : [{ ...failed, target: '' }];
    if (looked.length === 0) throw notPublished(volumeId, target);
    const checks = looked.map(({ poolUuid, path, target: at }) =>
      this.#mounter.checkHealth({ poolUuid, path, target: at }, within(context)),
    );
    return (await Promise.all(checks)).flatMap(({ problems }) => problems);
  }

  /** Of the mounter that answers now: another one, even an older one, may have taken the place of the last. */
  async #state(context: CallContext): Promise<NodeState> {
    const { state, problem } = this.#access.view;
    return state !== undefined && problem === undefined
      ? state
      : await this.#mounter.getState({}, withMargin(context));
  }

  /** Time running out says nothing to a person; that the pool is still being mounted does. */
  #explained(error: unknown, poolUuid: PoolUuid): unknown {
    if (!(error instanceof DriverError) || error.reason !== 'deadline-exceeded') return error;
    const pool = this.#access.view.state?.pools.find(({ uuid }) => uuid === poolUuid);
    if (pool?.phase !== poolPhase.POOL_PHASE_MOUNTING && pool?.phase !== poolPhase.POOL_PHASE_FOUND)
      return error;
    const problem = pool.problem == null ? '' : ` (${pool.problem.message})`;
    return new DriverError(
      'pool-not-ready',
      `the pool ${poolUuid} is still being mounted on this node${problem}; that goes on, and the next try finds it`,
      { cause: error },
    );
  }
}

/** The binds of a volume, or only the one at a target. */
export async function bindsOf(
  mounter: MounterCalls,
  volumeId: VolumeId,
  target: TargetPath | undefined,
  context: CallContext,
): Promise<Bind[]> {
  const { binds } = await mounter.listBinds({ volumeId }, within(context));
  return target === undefined ? binds : binds.filter((bind) => bind.target === target);
}

/** What a caller hears who asks about a volume that is not there. */
export function notPublished(volumeId: VolumeId, target: TargetPath | undefined): DriverError {
  const place = target === undefined ? 'on this node' : `at ${target}`;
  return new DriverError('not-published', `the volume ${volumeId} is not published ${place}`);
}

/** The caller's deadline and withdrawal, passed on. */
export function within({ signal, deadlineMs }: CallContext): CallOptions {
  return { signal, deadlineMs: deadlineMs ?? steadyNowMs() + defaultTimeoutMs };
}

function withMargin(context: CallContext): CallOptions {
  if (context.deadlineMs === undefined) return within(context);
  const marginMs = Math.min((context.deadlineMs - steadyNowMs()) * marginShare, longestMarginMs);
  return { signal: context.signal, deadlineMs: context.deadlineMs - Math.max(marginMs, 0) };
}
