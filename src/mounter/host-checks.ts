// Whether this process can work on the host, and whether what it mounts is seen there: namespaces, propagation, launcher,
// directories, limits. Looks and changes nothing.
import { lstatSync } from 'node:fs';
import path from 'node:path';
import { type CommandLocation, pathSeenFromHere } from '../famfs/command-location.ts';
import { runCommand } from '../linux/child-process.ts';
import { identityOf } from '../linux/file-identity.ts';
import { isTmpfs } from '../linux/file-system-type.ts';
import { readOrEmpty } from '../linux/file-text.ts';
import { type MountTableEntry, mountOf, readMountTable } from '../linux/mount-table.ts';
import { inNamespacesOf } from '../linux/namespaces.ts';
import { mountNamespaceOf } from '../linux/processes.ts';
import { sizeText } from '../size-text.ts';
import type { LauncherName } from './launcher.ts';
import { type NodeCheck, ok } from './node-check.ts';

const toolTimeoutMs = 20_000;
/** SHADOW/sock has to fit into a socket's address (famfs reference 5.2); below the directory lies `<uuid>-XXXXXX`. */
const longestShadowDirBytes = 102 - 1 - 36 - 7;

/** Whether commands can be run where famfs is. */
export async function hostCheck(location: CommandLocation): Promise<NodeCheck> {
  const name = 'host';
  if (location.kind === 'image') {
    return {
      ...({ name, state: 'note' } as const),
      found: "famfs is run in this container's own namespaces (--famfs-location=image).",
      why: 'In fuse mode its daemon ends with the container, and with it what pods have mounted.',
      remedy: 'Install famfs on the node and leave --famfs-location at host.',
    };
  }
  const { hostPid } = location;
  const missing = (found: string): NodeCheck => ({
    ...({ name, state: 'missing', reason: 'permission-missing', found } as const),
    why: 'famfs and its daemon belong to the node, so that they outlive the driver.',
    remedy: 'Give the pod hostPID: true, and the container privileged: true.',
  });
  if (mountNamespaceOf(hostPid) === undefined)
    return missing(`The mount namespace of process ${hostPid} cannot be seen.`);
  const { file, args } = inNamespacesOf({ pid: hostPid }, 'umount', ['--version']);
  try {
    const { exitCode, stderr } = await runCommand(file, args, { timeoutMs: toolTimeoutMs });
    // umount of busybox knows no --version, and says so: it is there.
    if (exitCode === 0 || !/^nsenter:/.test(stderr))
      return ok(name, `Programs are run on the host (process ${hostPid}, ${readHostName(location)}).`);
    return missing(`umount cannot be run on the host: ${stderr.trim()}.`);
  } catch (error) {
    return missing(`nsenter cannot be started: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/**
 * Whether mounts below a directory are seen on both sides of this container's border; on the host itself, whether they
 * could be.
 * @param madeLater the mounter makes the directory
 * @param table this process's mounts
 */
export function propagationCheck(
  directory: string,
  madeLater: boolean,
  location: CommandLocation,
  table: readonly MountTableEntry[],
): NodeCheck {
  const name = `propagation ${directory}`;
  const missing = (found: string, remedy: string): NodeCheck => ({
    ...({ name, state: 'missing', reason: 'dependency-missing', found, remedy } as const),
    why: 'What the mounter mounts there has to be seen by the host, and so by pods.',
  });
  const hostsOwn = pathSeenFromHere(location, directory);
  const isOnHost =
    location.kind === 'image' || mountNamespaceOf('self') === mountNamespaceOf(location.hostPid);
  const here = identityOf(directory);
  if (here === undefined && !(isOnHost && madeLater)) {
    return missing(
      `There is no ${directory}.`,
      isOnHost
        ? 'Name the right one.'
        : 'Mount the directory of the host at the same path, or name the right one.',
    );
  }
  if (!isOnHost && identityOf(hostsOwn) !== here) {
    return missing(
      `${directory} is not the directory of that name on the host.`,
      'Mount it by hostPath at the same path, mountPropagation: Bidirectional.',
    );
  }
  const mount = mountOf(directory, table);
  if (mount?.optionalFields.some((field) => field.startsWith('shared:')) === true) {
    return ok(
      name,
      `Mounts below ${directory} are seen by ${isOnHost ? 'containers that share it' : 'the host'}.`,
    );
  }
  return missing(
    `${directory} is on a mount (${mount?.mountPoint ?? 'unknown'}) that is not shared.`,
    `${isOnHost ? '' : 'Mount it with mountPropagation: Bidirectional. '}On the host: mount --make-rshared /.`,
  );
}

/** What will keep a famfs daemon alive when the mounter's container ends. */
export function launcherCheck(launcher: LauncherName, isFuse: boolean): NodeCheck {
  const name = 'launcher';
  const texts: Readonly<Record<LauncherName, string>> = {
    systemd: "famfs's daemons are put into scopes of the host's systemd.",
    cgroup: "famfs's daemons are put into control groups of their own on the host.",
    'in-place': "famfs's daemons stay in the control group of the mounter.",
  };
  if (launcher !== 'in-place' || !isFuse) return ok(name, texts[launcher]);
  return {
    ...({ name, state: 'note' } as const),
    found: texts[launcher],
    why: 'They end with its container, and with them what pods of this node have mounted in fuse mode.',
    remedy:
      "Run the mounter privileged with the host's process ids, on a host with systemd or with writable control groups.",
  };
}

/** Where pools are mounted and shadow trees lie. */
export function poolPlacesCheck(poolDir: string, shadowDir: string, location: CommandLocation): NodeCheck {
  const name = 'pool-directories';
  const missing = (found: string, why: string, remedy: string): NodeCheck => ({
    ...({ name, state: 'missing', reason: 'config-invalid', found, why, remedy } as const),
  });
  if (!poolDir.includes('famfs')) {
    return missing(
      `The path ${poolDir} does not hold "famfs".`,
      'famfs finds its mounts by that word, and would mount or format a device a second time.',
      'Choose another --pool-dir.',
    );
  }
  if (Buffer.byteLength(shadowDir) > longestShadowDirBytes) {
    return missing(
      `The path ${shadowDir} has more than ${longestShadowDirBytes} bytes.`,
      "The socket of famfs's daemon in a shadow tree would not be found.",
      'Choose a shorter --shadow-dir.',
    );
  }
  if (isOnTmpfs(pathSeenFromHere(location, shadowDir)))
    return ok(name, `Pools are mounted in ${poolDir}; shadow trees lie on tmpfs in ${shadowDir}.`);
  return {
    ...({ name, state: 'note' } as const),
    found: `The shadow trees in ${shadowDir} are not on tmpfs.`,
    why: 'They are small files by the thousand, made anew at every mount.',
    remedy: 'Choose a --shadow-dir below /run.',
  };
}

/** The folder of the mounter's socket, which only root may enter. */
export function socketCheck(socket: string): NodeCheck {
  const name = 'socket-directory';
  const folder = path.dirname(socket);
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return ok(name, `${folder} does not exist yet; the mounter makes it.`);
  if (found.isDirectory() && found.uid === 0) return ok(name, `${folder} belongs to root.`);
  return {
    ...({ name, state: 'missing', reason: 'socket-refused' } as const),
    found: `${folder} is ${found.isDirectory() ? `a directory of user ${found.uid}` : 'no directory'}.`,
    why: 'Whoever can write there can pose as the mounter.',
    remedy: 'Remove it, or choose another --socket.',
  };
}

/** How much a process of the host may lock: pods that pin what they map (RDMA, mlock) are held to it. */
export function memlockCheck(location: CommandLocation): NodeCheck {
  const name = 'memlock';
  const limits = readOrEmpty(`/proc/${location.kind === 'host' ? location.hostPid : 'self'}/limits`);
  const [, soft] = /^Max locked memory\s+(unlimited|\d+)/m.exec(limits) ?? [];
  if (soft === 'unlimited') return ok(name, 'Processes of this node may lock as much memory as they like.');
  return {
    ...({ name, state: 'note' } as const),
    found:
      soft === undefined
        ? 'The limit of locked memory cannot be read.'
        : `A process of this node may lock ${sizeText(BigInt(soft))} of memory.`,
    why: 'Mapping files needs none of it; pods that pin what they map (mlock, RDMA) do.',
    remedy: "Raise LimitMEMLOCK of the container runtime's service, if pods here do that.",
  };
}

/** This process's own mounts. */
export function ownMounts(): MountTableEntry[] {
  return readMountTable();
}

/** Of a path that may not exist yet, the nearest directory above that does. */
function isOnTmpfs(directory: string): boolean {
  for (let place = directory; ; place = path.dirname(place)) {
    try {
      return isTmpfs(place);
    } catch {
      if (path.dirname(place) === place) return false;
    }
  }
}

function readHostName(location: CommandLocation): string {
  const name = readOrEmpty(pathSeenFromHere(location, '/etc/hostname')).trim();
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(
    readOrEmpty(pathSeenFromHere(location, '/etc/os-release')),
  )?.[1];
  return [name, system].filter((text) => text !== undefined && text !== '').join(', ') || 'without a name';
}
