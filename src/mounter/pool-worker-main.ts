// The worker process of one pool: everything that touches the pool's mount happens here, because any of it may block for
// ever. Holds the parsed log; keeps nothing that a new worker could not read again.
import { lstatSync, type Stats } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DriverError } from '../errors.ts';
import type { LogEntry } from '../famfs/log-entry.ts';
import { PoolLog } from '../famfs/pool-log.ts';
import { afterEffect, beforeEffect } from '../linux/effect-point.ts';
import { serveParent } from '../linux/worker-process.ts';
import { bindPath } from './bind.ts';
import { BindRecords } from './bind-record.ts';
import { inspectMapping } from './mapping-kind.ts';
import { mountedLogSource } from './mounted-log-source.ts';
import { mountFailure, mountPlaceAt, probeSuperblock, withPoolRoot } from './mounted-pool.ts';
import { operationPolicyOf } from './operation-policy.ts';
import {
  type LoggedPath,
  type LogSummary,
  logUnreadMark,
  type PathContents,
  type PoolVerb,
  type PoolVerbs,
} from './pool-verbs.ts';
import { answerOf, type WorkerAnswer } from './worker-answer.ts';
import type { OperationPolicy } from './writers.ts';
import { isZeroRange, zeroRange } from './zeroing.ts';

/** How many files are looked at between two signs of life; a first look at a file can take milliseconds (famfs reference 7). */
const verifyBatch = 20;

/** What a pool's worker is told when it starts. */
export interface PoolWorkerSettings {
  /** Empty while the pool's identity is still being found out. */
  readonly poolUuid: string;
  readonly mountPath: string;
  readonly allowedRoots: readonly string[];
  readonly recordDirectory: string;
  /** Whether the node publishes anything writable, so that it matters what writers can do. */
  readonly mayBeWritten: boolean;
}

export interface PoolRequest {
  readonly verb: PoolVerb;
  readonly request: PoolVerbs[PoolVerb]['request'];
}

type Handlers = {
  [V in PoolVerb]: (
    request: PoolVerbs[V]['request'],
  ) => PoolVerbs[V]['response'] | Promise<PoolVerbs[V]['response']>;
};

/** Serves the mounter on this process's message channel until the mounter goes. */
export function runPoolWorker(settings: PoolWorkerSettings): void {
  const worker = new PoolWorkerState(settings);
  serveParent((body) => answerVerb(worker.handlers(), body as PoolRequest));
}

function answerVerb(handlers: Handlers, { verb, request }: PoolRequest): Promise<WorkerAnswer> {
  const handler = handlers[verb] as (request: unknown) => unknown;
  return answerOf(async () => {
    beforeEffect(`serve ${verb}`);
    const response = await handler(request);
    afterEffect(`serve ${verb}`);
    return response;
  });
}

class PoolWorkerState {
  readonly #settings: PoolWorkerSettings;
  readonly #records: BindRecords;
  #log: PoolLog | undefined;
  #operationPolicy: OperationPolicy | undefined;
  /** Entries have been accepted: all of them, or those before one that was refused. */
  #isLogRead = false;
  /** Paths that were found as logged: how long the log was then, and how many entries lay at and below the path. */
  readonly #verified = new Map<string, { readonly logEntries: number; readonly entries: number }>();

  constructor(settings: PoolWorkerSettings) {
    this.#settings = settings;
    this.#records = new BindRecords(settings.recordDirectory);
  }

  handlers(): Handlers {
    const { mountPath, poolUuid } = this.#settings;
    const expectedUuid = poolUuid === '' ? undefined : poolUuid;
    return {
      place: () => mountPlaceAt(mountPath),
      probe: () => ({
        ...withPoolRoot(mountPath, (rootFd) => probeSuperblock(rootFd, expectedUuid)),
        operationPolicy: this.#knownPolicy(),
      }),
      refreshLog: () => this.#refresh(),
      logMoved: () => this.#hasMoved(),
      look: ({ paths }) => paths.map((path) => loggedPath(this.#readLog().find(path))),
      shows: ({ path }) =>
        withPoolRoot(mountPath, (rootFd) => lstatOrFailure(`/proc/self/fd/${rootFd}/${path}`) !== undefined),
      zero: (range) => zeroRange(mountPath, range),
      isZero: (range) => isZeroRange(mountPath, range),
      contents: ({ path }) => this.#contents(path),
      verify: ({ path }) => this.#verify(path),
      bind: (order) => this.#bind(order),
      inspectMapping: (request) => inspectMapping(mountPath, request),
      operationPolicy: () => operationPolicyOf(mountPath),
    };
  }

  /** A pool that is mounted anew has a new worker. */
  #knownPolicy(): OperationPolicy | undefined {
    const { mayBeWritten, mountPath, poolUuid } = this.#settings;
    if (mayBeWritten && poolUuid !== '') this.#operationPolicy ??= operationPolicyOf(mountPath);
    return this.#operationPolicy;
  }

  async #refresh(): Promise<LogSummary> {
    try {
      this.#log ??= new PoolLog(mountedLogSource(this.#settings.mountPath));
      const { changed } = await this.#log.refresh();
      this.#isLogRead = true;
      const { header, superblock, space } = this.#log;
      if (this.#settings.poolUuid !== '' && superblock.fileSystemUuid !== this.#settings.poolUuid) {
        throw new DriverError(
          'pool-reformatted',
          `The log belongs to file system ${superblock.fileSystemUuid}, not to pool ${this.#settings.poolUuid}.`,
        );
      }
      return {
        entriesUsed: Number(header.nextIndex),
        entriesTotal: Number(header.lastIndex) + 1,
        sizeBytes: space.sizeBytes,
        freeBytes: space.freeBytes,
        longestFreeRunBytes: space.longestFreeRunBytes,
        allocationUnitBytes: superblock.allocationUnitBytes,
        changed,
      };
    } catch (error) {
      if (error instanceof DriverError && error.reason === 'log-refused') this.#isLogRead = true;
      throw mountFailure(error);
    }
  }

  async #hasMoved(): Promise<boolean> {
    try {
      return this.#log === undefined || (await this.#log.hasMoved());
    } catch (error) {
      throw mountFailure(error);
    }
  }

  #readLog(): PoolLog {
    if (this.#log !== undefined && this.#isLogRead) return this.#log;
    throw new DriverError('pool-not-ready', 'The log of the pool has not been read yet.', {
      details: { [logUnreadMark]: true },
    });
  }

  /** @throws DriverError `path-not-found` */
  #logged(path: string): LogEntry {
    const entry = this.#readLog().find(path);
    if (entry !== undefined) return entry;
    throw new DriverError(
      'path-not-found',
      `There is no ${JSON.stringify(path)} in the log of pool ${this.#settings.poolUuid}.`,
    );
  }

  #contents(path: string): PathContents {
    const log = this.#readLog();
    const own = this.#logged(path);
    const unit = log.superblock.allocationUnitBytes;
    let sizeBytes = 0n;
    let allocatedBytes = 0n;
    let logEntries = 0;
    for (const entry of [own, ...log.below(path)]) {
      logEntries++;
      if (entry.kind !== 'file') continue;
      sizeBytes += entry.sizeBytes;
      for (const extent of entry.extents) allocatedBytes += ((extent.lengthBytes + unit - 1n) / unit) * unit;
    }
    return { type: own.kind === 'file' ? 'file' : 'dir', sizeBytes, allocatedBytes, logEntries };
  }

  /** Type and size of everything at and below a path, as the mount shows it against the log (design 6, rule 2). */
  async #verify(path: string): Promise<undefined> {
    const log = this.#readLog();
    const own = this.#logged(path);
    const known = this.#verified.get(path);
    if (known?.logEntries === log.entryCount) return undefined;
    const entries = [own, ...log.below(path)];
    for (
      let start = known?.entries === entries.length ? entries.length : 0;
      start < entries.length;
      start += verifyBatch
    ) {
      this.#verifyEntries(entries.slice(start, start + verifyBatch));
      await nextTurn();
    }
    this.#verified.set(path, { logEntries: log.entryCount, entries: entries.length });
    return undefined;
  }

  #verifyEntries(entries: readonly LogEntry[]): void {
    withPoolRoot(this.#settings.mountPath, (rootFd) => {
      for (const entry of entries) {
        const shown = lstatOrFailure(`/proc/self/fd/${rootFd}/${entry.path}`);
        const isAsLogged =
          entry.kind === 'file'
            ? shown?.isFile() === true && BigInt(shown.size) === entry.sizeBytes
            : shown?.isDirectory() === true;
        if (!isAsLogged) {
          throw new DriverError(
            'path-not-visible',
            `This node does not show ${entry.path} as the log has it: another thing has taken the name, or it has not been replayed.`,
            { details: { path: entry.path } },
          );
        }
      }
    });
  }

  async #bind(order: PoolVerbs['bind']['request']): Promise<PoolVerbs['bind']['response']> {
    if (this.#logged(order.path).kind === 'file') {
      throw new DriverError(
        'path-not-directory',
        `${order.path} is a file of the pool; a volume has to be a directory.`,
      );
    }
    await this.#verify(order.path);
    const { poolUuid, mountPath, allowedRoots } = this.#settings;
    const files = order.writable
      ? this.#readLog()
          .below(order.path)
          .flatMap((entry) => (entry.kind === 'file' ? [entry.path.slice(order.path.length + 1)] : []))
      : [];
    return bindPath({ poolUuid, mountPath, allowedRoots, records: this.#records }, order, files);
  }
}

function loggedPath(entry: LogEntry | undefined): LoggedPath | undefined {
  if (entry === undefined) return undefined;
  const { mode, uid, gid } = entry;
  const isFile = entry.kind === 'file';
  return { type: isFile ? 'file' : 'dir', sizeBytes: isFile ? entry.sizeBytes : 0n, mode, uid, gid };
}

function lstatOrFailure(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const failure = mountFailure(error);
    if (failure instanceof DriverError && failure.reason === 'pool-not-ready') return undefined;
    throw failure;
  }
}
