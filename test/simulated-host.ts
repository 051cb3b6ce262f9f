// A host as a container sees one: process ids and mounts of its own, mount propagation as systemd sets it, no famfs. And
// containers on it, as kubelet starts a privileged one with the host's process ids: another root, another mount namespace, a
// control group that ends with it. For tests of what crosses that border; must run in a private mount namespace.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type CgroupHierarchy, createCgroup, moveToCgroup, processesInCgroup } from '../src/linux/cgroups.ts';
import { type CommandResult, runCommand } from '../src/linux/child-process.ts';
import { listProcesses } from '../src/linux/processes.ts';
import { removeEndedCgroup } from './cgroup-removal.ts';
import { compileCache } from './driver-process.ts';
import { waitUntil } from './wait-until.ts';

const projectRoot = path.dirname(import.meta.dirname);

/**
 * Process 1 of a host. What a host keeps for itself (/run, /var/lib, /tmp) is its own; /dev/shm is what the test says, so that
 * several hosts can have one memory.
 */
const hostScript = `set -e
if [ "$2" = cgroup2 ]; then umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
mount --make-rshared /
for place in /run /var/lib; do mount -t tmpfs -o mode=755 host "$place"; done
mkdir -p /run/famfs /run/famfs-csi /var/lib/kubelet/pods /var/lib/famfs-csi
mount --bind "$1" /dev/shm
echo ready
while :; do wait; sleep 1; done
`;

/** Process 1 of a host on which there is a static busybox and nothing else: no C library, no loader. */
const bareHostScript = `set -e
mount --make-private /
mount -t tmpfs -o mode=755 host /mnt
mount --make-private /mnt
cd /mnt
mkdir -p bin proc sys dev run var/lib old
cp /bin/busybox bin/busybox
for name in sh mount umount mkdir cat; do ln -s busybox bin/$name; done
for place in proc sys dev; do mount --rbind /$place $place; done
mount --bind "$1" dev/shm
pivot_root . old
exec /bin/busybox sh -c '
busybox umount -l /old
mount -o rshared none /
echo ready
while :; do wait; busybox sleep 1; done'
`;

/**
 * Like runc: a root of its own, into which directories of the host are bound, none of which a mount in the container leaves
 * but through those that are Bidirectional.
 */
const containerScript = `set -e
mount --make-private /
mount -t tmpfs -o mode=755 container /mnt
mount --make-private /mnt
for place in /*; do
  name=\${place#/}
  case $name in run|var|mnt|tmp|proc|dev|sys) continue ;; esac
  if [ -L "$place" ]; then cp -P "$place" "/mnt/$name"
  elif [ -d "$place" ]; then mkdir "/mnt/$name"; mount --rbind "$place" "/mnt/$name"; mount --make-rprivate "/mnt/$name"
  fi
done
mkdir -p /mnt/tmp /mnt/old
for place in proc dev sys; do mkdir "/mnt/$place"; mount --rbind "/$place" "/mnt/$place"; mount --make-rslave "/mnt/$place"; done
mount -t tmpfs shm /mnt/dev/shm
for place in $1; do mkdir -p "/mnt$place"; mount --rbind "$place" "/mnt$place"; mount --make-rprivate "/mnt$place"; done
for place in $2; do mkdir -p "/mnt$place"; mount --rbind "$place" "/mnt$place"; done
cd /mnt
pivot_root . old
mount --make-rslave /old
umount -l /old
shift 2
cd /
exec "$@"
`;

export interface ContainerVolumes {
  /** Directories of the host, at the same path; mounts made later on either side stay there. */
  readonly plain?: readonly string[];
  /** Likewise, but mounts are seen on both sides: kubelet's Bidirectional. */
  readonly bidirectional?: readonly string[];
}

export class SimulatedHost {
  /** The host's process 1, as this process numbers it. */
  readonly pid: number;
  readonly #unshare: ChildProcess;

  private constructor(unshare: ChildProcess, pid: number) {
    this.#unshare = unshare;
    this.pid = pid;
  }

  /**
   * @param memory the directory, on tmpfs, that the host has as /dev/shm
   * @param kind `plain`: the programs and control groups of this machine; `cgroup2`: control groups of version 2 alone;
   *   `bare`: a static busybox and nothing else
   */
  static async start(memory: string, kind: 'plain' | 'cgroup2' | 'bare' = 'plain'): Promise<SimulatedHost> {
    const script = kind === 'bare' ? bareHostScript : hostScript;
    const options = [
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--propagation',
      'private',
    ];
    const unshare = spawn('unshare', [...options, '--', 'sh', '-c', script, 'host', memory, kind], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = await Promise.race([
      once(unshare.stdout, 'data'),
      once(unshare, 'exit').then(() => ['the host has ended']),
    ]);
    assert.equal(String(line).trim(), 'ready');
    const init = listProcesses().find(({ parentPid }) => parentPid === unshare.pid);
    assert.ok(init !== undefined, 'the host has no process 1');
    unshare.stdout.destroy();
    return new SimulatedHost(unshare, init.pid);
  }

  /** A path of the host as this process reaches it. */
  path(absolute: string): string {
    return `/proc/${this.pid}/root${absolute}`;
  }

  /** Runs a program on the host itself, as a person there does. */
  run(...argv: readonly string[]): Promise<CommandResult> {
    const [file = '', ...args] = this.#entering(argv);
    return runCommand(file, args);
  }

  /** Runs a program in a container and waits for it, whatever comes of it. */
  runInContainer(volumes: ContainerVolumes, ...argv: readonly string[]): Promise<CommandResult> {
    const [file = '', ...args] = this.#containing(volumes, argv);
    return runCommand(file, args, { env: { NODE_COMPILE_CACHE: compileCache() } });
  }

  /**
   * As `runInContainer`, with the root of this machine and none of the host's directories: on a host that has nothing a
   * container could be made from.
   */
  runInForeignContainer(...argv: readonly string[]): Promise<CommandResult> {
    const target = ['--target', String(this.pid), '--pid'];
    const own = ['unshare', '--mount', '--mount-proc', '--propagation', 'private'];
    return runCommand('nsenter', [...target, '--', ...own, '--', ...argv]);
  }

  /** Starts a program in a container with a control group of its own. */
  startContainer(
    name: string,
    volumes: ContainerVolumes,
    hierarchies: readonly CgroupHierarchy[],
    logPath: string,
    argv: readonly string[],
  ): HostContainer {
    createCgroup(hierarchies, name);
    const log = openSync(logPath, 'a', 0o600);
    // It moves itself before it does anything, so that all it ever starts is in the group.
    const waiting = ['sh', '-c', 'read go; exec "$@"', 'container', ...this.#containing(volumes, argv)];
    const [file = '', ...args] = waiting;
    const child = spawn(file, args, {
      stdio: ['pipe', log, log],
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache() },
    });
    closeSync(log);
    if (child.pid === undefined) throw new Error('the container could not be started');
    moveToCgroup(hierarchies, name, child.pid);
    child.stdin?.end('go\n');
    return new HostContainer(child, name, hierarchies, logPath);
  }

  /** Ends the host with every process and mount in it. */
  async close(): Promise<void> {
    if (this.#unshare.exitCode !== null || this.#unshare.signalCode !== null) return;
    const ended = once(this.#unshare, 'exit');
    process.kill(this.pid, 'SIGKILL');
    await ended;
  }

  #entering(argv: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.pid), '--pid', '--mount', '--', ...argv];
  }

  #containing({ plain = [], bidirectional = [] }: ContainerVolumes, argv: readonly string[]): string[] {
    // Where the checkout and its bundles are is not part of the image; what lies below /tmp has to be named.
    const image = projectRoot.startsWith('/tmp/') ? [projectRoot] : [];
    return this.#entering([
      ...['unshare', '--mount', '--propagation', 'unchanged', '--', 'sh', '-c', containerScript, 'container'],
      [...image, ...plain].join(' '),
      bidirectional.join(' '),
      ...argv,
    ]);
  }
}

export class HostContainer {
  readonly #child: ChildProcess;
  readonly #group: string;
  readonly #hierarchies: readonly CgroupHierarchy[];
  readonly #logPath: string;

  constructor(child: ChildProcess, group: string, hierarchies: readonly CgroupHierarchy[], logPath: string) {
    this.#child = child;
    this.#group = group;
    this.#hierarchies = hierarchies;
    this.#logPath = logPath;
  }

  get log(): string {
    return readFileSync(this.#logPath, 'utf8');
  }

  /** Ends it as a container runtime does where process ids are the host's: every process of its control group, at once. */
  async kill(): Promise<void> {
    const isOver = this.#child.exitCode !== null || this.#child.signalCode !== null;
    const ended = isOver ? undefined : once(this.#child, 'exit');
    await waitUntil('the container has ended', () => {
      const pids = processesInCgroup(this.#hierarchies, this.#group);
      for (const pid of pids) killQuietly(pid);
      return pids.length === 0;
    });
    await ended;
    await removeEndedCgroup(this.#hierarchies, this.#group);
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended since the group was read.
  }
}
