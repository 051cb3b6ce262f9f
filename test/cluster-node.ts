// One node of a simulated cluster: its folders, its devices, its famfs programs, and whatever a test wants to go wrong
// with them. The simulator is reached as commands and by the layout that docs/simulator.md tells, never imported.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type CommandResult, runCommand } from '../src/linux/child-process.ts';
import { acquireFileLock } from '../src/linux/file-lock.ts';
import { compileCache } from './driver-process.ts';

export type NodeMode = 'fuse' | 'standalone';

/** Where things are on a node; the flags of a mounter are made from these. */
export interface NodePlaces {
  readonly root: string;
  readonly kubelet: string;
  readonly pools: string;
  readonly shadow: string;
  readonly locks: string;
  readonly binds: string;
  readonly programs: string;
  /** What stands for /tmp for the famfs programs that the mounter runs. */
  readonly tmp: string;
  readonly mounterSocket: string;
  readonly csiSocket: string;
}

export class ClusterNode {
  readonly name: string;
  readonly mode: NodeMode;
  readonly places: NodePlaces;

  constructor(name: string, root: string, mode: NodeMode) {
    this.name = name;
    this.mode = mode;
    const at = (relative: string): string => path.join(root, relative);
    this.places = {
      root,
      kubelet: at('kubelet'),
      pools: at('pools'),
      shadow: at('shadow'),
      locks: at('locks'),
      binds: at('binds'),
      programs: at('programs'),
      tmp: at('tmp'),
      mounterSocket: at('sockets/mounter.sock'),
      csiSocket: at('sockets/csi.sock'),
    };
    for (const folder of ['kubelet/pods', 'programs', 'tmp', 'run/tmp'])
      mkdirSync(at(folder), { recursive: true });
    for (const program of ['famfs', 'mkfs.famfs', 'famfs_fused']) this.#writeProgram(program);
  }

  /** Path of a device on this node. */
  device(name: string): string {
    return path.join(this.places.root, 'dev', name);
  }

  /** Where this node's mounter mounts a pool. */
  poolPath(uuid: string, relative = '.'): string {
    return path.join(this.places.pools, uuid, relative);
  }

  /** A target as kubelet would ask for: its parent exists, it does not. */
  target(pod: string): string {
    const volume = path.join(this.places.kubelet, 'pods', pod, 'volumes/kubernetes.io~csi/pv');
    mkdirSync(volume, { recursive: true });
    return path.join(volume, 'mount');
  }

  /** The flag by which famfs is told this node's mode. */
  get modeFlag(): '--fuse' | '--nofuse' {
    return this.mode === 'fuse' ? '--fuse' : '--nofuse';
  }

  /** Runs a program of this node, `famfs` or `mkfs.famfs`, whatever comes of it. */
  run(program: 'famfs' | 'mkfs.famfs', ...args: string[]): Promise<CommandResult> {
    // famfs never cleans up after itself; what is run from here shall not be taken for the mounter's.
    const tmp = path.join(this.places.root, 'run/tmp');
    return runCommand(path.join(this.places.root, 'bin', program), args, {
      env: { FAMFS_SIM_TMP: tmp, FAMFS_SIM_PATIENCE: '0.1' },
      umask: 0,
    });
  }

  /** As `run`. @throws Error with what the program said when it does not end with 0 */
  async do(program: 'famfs' | 'mkfs.famfs', ...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(program, ...args);
    if (exitCode !== 0)
      throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Makes a file system on a device and returns its UUID. `force` takes a device that has one, of any owner. */
  async format(device: string, { force = false } = {}): Promise<string> {
    const options = [this.modeFlag, ...(force ? ['--force'] : [])];
    const said = await this.do('mkfs.famfs', ...options, this.device(device));
    const uuid = /Filesystem UUID:\s+([0-9a-f-]{36})/.exec(said)?.[1];
    if (uuid === undefined) throw new Error(`mkfs.famfs named no file system: ${said}`);
    return uuid;
  }

  /** Makes an empty (not zeroed) file in a pool that this node is master of and its mounter has mounted. */
  creat(uuid: string, relative: string, sizeBytes: number | bigint): Promise<string> {
    return this.#locked(uuid, 'creat', '-s', String(sizeBytes), this.poolPath(uuid, relative));
  }

  /** Makes a directory, with those above it. */
  mkdir(uuid: string, relative: string): Promise<string> {
    return this.#locked(uuid, 'mkdir', '-p', this.poolPath(uuid, relative));
  }

  /** Copies a file, or a directory with all that is in it, into a pool. */
  cp(source: string, uuid: string, relative: string): Promise<string> {
    return this.#locked(uuid, 'cp', '-r', source, this.poolPath(uuid, relative));
  }

  /** Runs `famfs` under the lock of a pool, as whoever runs famfs commands beside a mounter has to. */
  async #locked(uuid: string, ...args: string[]): Promise<string> {
    mkdirSync(this.places.locks, { recursive: true, mode: 0o700 });
    const lock = await acquireFileLock(this.lockFile(uuid), { timeoutMs: 30_000 });
    try {
      return await this.do('famfs', ...args);
    } finally {
      lock.release();
    }
  }

  /** The lock file of a pool, or of mount commands on this node. */
  lockFile(uuidOrMachine: string): string {
    const name = uuidOrMachine === 'machine' ? 'machine' : `pool-${uuidOrMachine}`;
    return path.join(this.places.locks, name);
  }

  /** Takes a device off the node, as hot-unplug does. */
  unplug(device: string): void {
    for (const [shown, hidden] of this.#entriesOf(device)) renameSync(shown, hidden);
  }

  /** Puts an unplugged device back. */
  plug(device: string): void {
    for (const [shown, hidden] of this.#entriesOf(device).toReversed()) renameSync(hidden, shown);
  }

  /** Puts an unplugged device back, and does something with it before a mounter of this node looks at it. */
  async plugAnd<T>(device: string, work: () => Promise<T>): Promise<T> {
    mkdirSync(this.places.locks, { recursive: true, mode: 0o700 });
    const lock = await acquireFileLock(this.lockFile('machine'), { timeoutMs: 30_000 });
    try {
      this.plug(device);
      return await work();
    } finally {
      lock.release();
    }
  }

  /**
   * From now on each famfs program that the mounter runs begins with this POSIX shell text, which sees its arguments
   * and can `exit`. `$REAL "$@"` runs the program itself.
   */
  spoil(script: string): void {
    writeFileSync(`${this.#spoilFile}.new`, script);
    renameSync(`${this.#spoilFile}.new`, this.#spoilFile);
  }

  /** The programs work as they should again. */
  mend(): void {
    rmSync(this.#spoilFile, { force: true });
  }

  /** What spoilt programs have noted with `echo … >> $NOTES`, line by line. */
  notes(): string[] {
    const file = this.#notesFile;
    return existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  }

  clearNotes(): void {
    rmSync(this.#notesFile, { force: true });
  }

  #writeProgram(program: string): void {
    const real = path.join(this.places.root, 'bin', program);
    const script = [
      '#!/bin/sh',
      `export FAMFS_SIM_TMP='${this.places.tmp}' FAMFS_SIM_PATIENCE=0.1 NODE_COMPILE_CACHE='${compileCache()}'`,
      `REAL='${real}' NOTES='${this.#notesFile}'`,
      `if [ -f '${this.#spoilFile}' ]; then . '${this.#spoilFile}'; fi`,
      'exec "$REAL" "$@"',
    ];
    const file = path.join(this.places.programs, program);
    writeFileSync(file, `${script.join('\n')}\n`);
    chmodSync(file, 0o755);
  }

  get #spoilFile(): string {
    return path.join(this.places.root, 'spoil.sh');
  }

  get #notesFile(): string {
    return path.join(this.places.root, 'notes');
  }

  /** Where a device is shown, and where the simulator puts that away. */
  #entriesOf(device: string): (readonly [string, string])[] {
    const at = (relative: string): string => path.join(this.places.root, relative);
    return [
      [at(`sys/bus/dax/devices/${device}`), at(`sys/bus/dax/unplugged-${device}`)],
      [at(`dev/${device}`), at(`run/unplugged-${device}`)],
    ];
  }
}
