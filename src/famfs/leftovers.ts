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

/** The names are what mkdtemp(3) makes of famfs's templates; nothing else is ever taken for a thing to clean. */
function temporaryDirectory(text: string, prefix: 'famfs_dummy' | 'famfs_shadow'): string | undefined {
  return new RegExp(`(?:^|[\\s(])((?:/[\\w.-]+)*/${prefix}_[A-Za-z0-9]{6})(?![A-Za-z0-9_])`, 'm').exec(
    text,
  )?.[1];
}

/** What a command that can mount leaves. Errs on the side of a mount that may remain. */
export function leftoversOf(end: EndOfMounting): Leftovers {
  const dummyMount = temporaryDirectory(end.text, 'famfs_dummy');
  const shadow =
    end.command === 'mount' && end.ended === 'well'
      ? undefined
      : temporaryDirectory(end.text, 'famfs_shadow');
  return {
    mountMayRemain: mountMayRemain(end),
    ...(dummyMount === undefined ? {} : { dummyMount }),
    ...(shadow === undefined ? {} : { shadow }),
  };
}
