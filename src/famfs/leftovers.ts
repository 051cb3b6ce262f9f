// What a famfs command that mounts leaves behind when it fails, and sometimes when it does not, told from its output.
// Looks at nothing itself: the mounter checks against the mount table and cleans.

import type { CatalogueRow } from './catalogue-row.ts';
import type { CommandName } from './command-line.ts';

/** What may have to be cleaned up after a command. */
export interface Leftovers {
  /** a mount may exist that must be looked for and ended: at the mount point asked for, or at `dummyMount` */
  readonly mountMayRemain: boolean;
  /** the directory below /tmp where famfs mounted for a while; it is left even when the mount is gone */
  readonly dummyMount?: string;
  /** the shadow directory that famfs made by itself */
  readonly shadow?: string;
}

/** How a command that can mount ended. */
export interface EndOfMounting {
  readonly command: CommandName;
  readonly ended: 'well' | 'badly' | 'by-force';
  readonly text: string;
  readonly row: CatalogueRow | undefined;
}

/** The kernel's answer to an unmount of what is no mount point: nothing had been mounted (reference 1.2). */
const notMountedErrno = '22';

function mountMayRemain({ command, ended, text, row }: EndOfMounting): boolean {
  if (ended === 'by-force') return true;
  if (command === 'dummy-mount' && ended === 'well') return true;
  if (ended === 'well') return false;
  const unmountError = /^\w+: umount failed for .+ \(errno=(\d+)\)$/m.exec(text)?.[1];
  if (unmountError !== undefined) return unmountError !== notMountedErrno;
  if (row?.mount !== undefined) return row.mount === 'remains';
  const gaveItUp = /^(?:famfs_mount_fuse: unmounting due to error|famfs mount: .+; unmounting)$/m.test(text);
  // mkfs and fsck end their own mount whatever they found; `famfs mount` in standalone mode does not (kernel notes 12.1)
  return (command === 'mount' || command === 'dummy-mount') && !gaveItUp;
}

/**
 * The lines in which famfs speaks of a directory of its own making, and not, as in "is mounted on", of somebody
 * else's. The names are what mkdtemp(3) makes of its templates; nothing else is ever taken for a thing to clean.
 */
const dummyMountLines: readonly RegExp[] = [
  /^Successful dummy mount at (\/(?:[\w.-]+\/)*famfs_dummy_[A-Za-z0-9]{6})$/m,
  /^\w+: (?:dummy )?mount failed for \S+ at (\/(?:[\w.-]+\/)*famfs_dummy_[A-Za-z0-9]{6})(?: \(errno=\d+\))?$/m,
  /^\w+: umount failed for (\/(?:[\w.-]+\/)*famfs_dummy_[A-Za-z0-9]{6}) \(errno=\d+\)$/m,
  /^\w+: mmap\((\/(?:[\w.-]+\/)*famfs_dummy_[A-Za-z0-9]{6})\/\.meta\//m,
  /^ *mount point: (\/(?:[\w.-]+\/)*famfs_dummy_[A-Za-z0-9]{6})$/m,
];
const shadowLines: readonly RegExp[] = [
  /\(no response on (\/(?:[\w.-]+\/)*famfs_shadow_[A-Za-z0-9]{6})\/sock\)$/m,
  /^ *shadow path: (\/(?:[\w.-]+\/)*famfs_shadow_[A-Za-z0-9]{6})$/m,
];

function firstNamed(text: string, lines: readonly RegExp[]): string | undefined {
  for (const line of lines) {
    const named = line.exec(text)?.[1];
    if (named !== undefined && !named.split('/').includes('..')) return named;
  }
  return undefined;
}

/** What a command that can mount leaves. Errs on the side of a mount that may remain. */
export function leftoversOf(end: EndOfMounting): Leftovers {
  const dummyMount = firstNamed(end.text, dummyMountLines);
  const shadow = firstNamed(end.text, shadowLines);
  return {
    mountMayRemain: mountMayRemain(end),
    ...(dummyMount === undefined ? {} : { dummyMount }),
    ...(shadow === undefined ? {} : { shadow }),
  };
}
