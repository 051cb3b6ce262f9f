// A process as a container runtime starts it: namespaces of its own, a small root entered by pivot_root, volumes bound into
// it, the user and capabilities of a container. What it has not: a network, cgroup limits, seccomp and security modules.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../../src/linux/child-process.ts';

/** What the program in the pod is told. */
export interface PodPlan {
  readonly volume: string;
  /** A second volume, whose programs may be run. */
  readonly executable: string;
  readonly sockets: string;
  /** A path of the host that nobody in the pod may see. */
  readonly hidden: string;
  /** Where the pod may write. */
  readonly scratch: string;
  readonly only?: 'chroot';
}

/** Who the process is. */
export type PodUser = 'nobody' | 'root' | 'root with all capabilities';

/** What container runtimes leave to root unless told otherwise (containerd, CRI-O before it took some away, Docker). */
const usualCapabilities = [
  ...[
    'chown',
    'dac_override',
    'fsetid',
    'fowner',
    'mknod',
    'net_raw',
    'setgid',
    'setuid',
    'setfcap',
    'setpcap',
  ],
  ...['net_bind_service', 'sys_chroot', 'kill', 'audit_write'],
];

const privileges: Readonly<Record<PodUser, readonly string[]>> = {
  nobody: ['--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'],
  'root with all capabilities': ['--inh-caps=-all'],
  root: [`--bounding-set=-all,+${usualCapabilities.join(',+')}`, '--inh-caps=-all'],
};

/** Builds the root and enters it. $1: its directory; $2: the project; then "host:pod" pairs up to "--"; then the command. */
const runtime = `
  root=$1; project=$2; shift 2
  mount -t tmpfs -o mode=755 pod "$root"
  cd "$root"
  mkdir -m 755 proc dev old ".\${project%%/*}" 2>/dev/null || true
  mkdir -m 1777 tmp
  mkdir -p ".$project"
  for each in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$each" ]; then cp -P "/$each" .; elif [ -d "/$each" ]; then mkdir "$each"; mount --bind "/$each" "$each"; fi
  done
  mkdir usr; mount --bind /usr usr
  mount --bind "$project" ".$project"
  for each in usr ".$project"; do mount -o remount,bind,ro "$each"; done
  while [ "$1" != -- ]; do
    mkdir -p ".\${1#*:}"
    mount --rbind "\${1%%:*}" ".\${1#*:}"
    shift
  done
  shift
  mount -t proc -o nosuid,nodev,noexec proc proc
  mknod -m 666 dev/null c 1 3
  pivot_root . old
  umount -l /old
  rmdir /old
  cd /
  exec "$@"`;

export interface Pod {
  /** A folder for the pod's root; made when it is missing. */
  readonly root: string;
  readonly user: PodUser;
  /** Paths of the host by what they are in the pod. */
  readonly mounts: Readonly<Record<string, string>>;
}

/** Runs a program of this project in a pod, with one argument, and returns what it has written. */
export function runInPod(pod: Pod, program: string, argument: string): Promise<string> {
  mkdirSync(pod.root, { recursive: true });
  const script = `${pod.root}.sh`;
  writeFileSync(script, runtime);
  const mounts = Object.entries(pod.mounts).map(([inside, outside]) => `${outside}:${inside}`);
  const project = path.resolve(import.meta.dirname, '../..');
  return runUnshared(
    ['--ipc', '--uts', '--net', 'sh', '-eu', script, pod.root, project, ...mounts, '--'],
    pod.user,
    [program, argument],
  );
}

/** Runs a program with the host's root before it: what it cannot do even there says nothing about a pod. */
export function runWithoutPod(user: PodUser, program: string, argument: string): Promise<string> {
  return runUnshared(['--mount-proc'], user, [program, argument]);
}

async function runUnshared(
  options: readonly string[],
  user: PodUser,
  command: readonly string[],
): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'],
      ...options,
      ...['setpriv', ...privileges[user], '--'],
      ...[process.execPath, '--disable-warning=ExperimentalWarning', ...command],
    ],
    { timeoutMs: 120_000, umask: 0o022 },
  );
  if (exitCode !== 0) throw new Error(`the program in the pod ended with ${exitCode}: ${stdout}${stderr}`);
  return stdout;
}
