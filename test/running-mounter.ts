// A mounter of a simulated cluster: a real process with its flags, and a client that follows its state.
import { MounterClient, type NodeState, type Pool, poolPhase } from '../src/mounter/client.ts';
import { silentLogger } from '../src/observe/logger.ts';
import type { ClusterNode } from './cluster-node.ts';
import { DriverProcess } from './driver-process.ts';

/** Flags that differ from the usual ones, without their dashes: `{ 'allow-writes': 'unsafe' }`. */
export type MounterFlags = Readonly<Record<string, string>>;

/** How long a state may be waited for; a machine that is busy with other tests is slow. */
const patienceMs = 240_000;

export class RunningMounter {
  readonly node: ClusterNode;
  readonly client: MounterClient;
  readonly #program: readonly string[];
  readonly #flags: MounterFlags;
  #process: DriverProcess;

  constructor(node: ClusterNode, program: readonly string[], flags: MounterFlags) {
    this.node = node;
    this.#program = program;
    this.#flags = flags;
    this.#process = this.#spawn();
    this.client = new MounterClient({ address: node.places.mounterSocket, logger: silentLogger });
    this.client.start();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get calls(): MounterClient['calls'] {
    return this.client.calls;
  }

  get log(): string {
    return this.#process.log;
  }

  /** The last state it reported. */
  get state(): NodeState | undefined {
    return this.client.view.state;
  }

  pool(uuid: string): Pool | undefined {
    return this.state?.pools.find((pool) => pool.uuid === uuid);
  }

  /** Waits until a state that it reports passes; fails with that state and its log when none does in four minutes. */
  async until(what: string, passes: (state: NodeState) => boolean): Promise<NodeState> {
    const { promise, resolve, reject } = Promise.withResolvers<NodeState>();
    const look = (): void => {
      const { state, problem } = this.client.view;
      if (state !== undefined && problem === undefined && passes(state)) resolve(state);
    };
    let isOver = false;
    const giveUp = (why: string): void => {
      if (isOver) return;
      const shown = JSON.stringify(this.client.view, (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      reject(new Error(`${why} before ${what}\n${shown}\n${this.log.slice(-6000)}`));
    };
    const limit = setTimeout(giveUp, patienceMs, `${patienceMs} ms were over`);
    void this.#process.ended.then(() => giveUp('the mounter ended'));
    const forget = this.client.onChange(look);
    try {
      look();
      return await promise;
    } finally {
      isOver = true;
      forget();
      clearTimeout(limit);
    }
  }

  /** Waits until a pool passes. */
  async untilPool(uuid: string, what: string, passes: (pool: Pool) => boolean): Promise<Pool> {
    const find = (state: NodeState): Pool | undefined =>
      state.pools.find((pool) => pool.uuid === uuid && passes(pool));
    const found = find(await this.until(`pool ${uuid} ${what}`, (state) => find(state) !== undefined));
    if (found === undefined) throw new Error('the state has changed under its reader');
    return found;
  }

  /** Waits until pools are mounted and replayed, with no problem. */
  async ready(...uuids: string[]): Promise<void> {
    for (const uuid of uuids)
      await this.untilPool(
        uuid,
        'is ready',
        (pool) => pool.phase === poolPhase.POOL_PHASE_READY && pool.problem == null,
      );
  }

  /** Waits until a pool has a problem of that reason. */
  async untilProblem(uuid: string, reason: string): Promise<Pool> {
    return this.untilPool(uuid, `shows ${reason}`, (pool) => pool.problem?.reason === reason);
  }

  /** Starts it again after `kill` or `stop`; resolves when its new state is followed. */
  async restart(): Promise<void> {
    const lost = this.client.view.problem !== undefined;
    if (!lost) await this.#untilLost();
    this.#process = this.#spawn();
    await this.until('it is back and has looked at all devices', (state) => state.settled);
  }

  /** Ends it by SIGKILL: nothing of its own is done any more. */
  async kill(): Promise<void> {
    await this.#process.kill();
    await this.#untilLost();
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Ends process and client. */
  async close(): Promise<void> {
    await this.client.close();
    await this.#process.stop();
  }

  async #untilLost(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.client.view.problem !== undefined) resolve();
    };
    const forget = this.client.onChange(look);
    look();
    await promise;
    forget();
  }

  #spawn(): DriverProcess {
    return new DriverProcess({
      argv: [...this.#program, ...mounterArguments(this.node, this.#flags)],
      logPath: `${this.node.places.root}/mounter.log`,
    });
  }
}

/** Role and flags of a node's mounter, as they follow the program. */
export function mounterArguments({ places, mode }: ClusterNode, flags: MounterFlags = {}): string[] {
  const all: MounterFlags = {
    socket: places.mounterSocket,
    'kubelet-dir': places.kubelet,
    'famfs-location': 'image',
    'famfs-bin-dir': places.programs,
    mode,
    launcher: 'in-place',
    'pool-dir': places.pools,
    'shadow-dir': places.shadow,
    'famfs-tmp-dir': places.tmp,
    'lock-dir': places.locks,
    'state-dir': places.binds,
    'sysfs-root': `${places.root}/sys`,
    'dev-root': `${places.root}/dev`,
    'system-uuid-path': `${places.root}/opt/famfs/system_uuid`,
    'log-format': 'text',
    'log-level': 'debug',
    'scan-interval': '250ms',
    'health-interval': '250ms',
    // A sound pool does not answer sooner when its machine is busy; tests of pools that hang set their own.
    'probe-timeout': '20s',
    ...flags,
  };
  return ['mounter', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)];
}
