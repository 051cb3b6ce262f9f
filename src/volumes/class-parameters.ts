// What a StorageClass may say: which pools, which files, whose they are. One table, so that help, checks and the reference
// page cannot differ. Knows no claim.
import { didYouMean } from '../errors/closest-name.ts';
import { DriverError } from '../errors.ts';

/** A volume is one file named `data`, or several of one size. */
export type LayoutKind = 'file' | 'files';

/** Owner of the files; famfs sets both or neither (famfs reference 1.3). */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface ClassParameters {
  /** Names of pools; empty: any pool that fits. */
  readonly pools: readonly string[];
  readonly layout: LayoutKind;
  readonly fileCount: number;
  readonly fileMode: number;
  readonly owner: FileOwner | undefined;
}

/** One parameter as a person reads it. */
export interface ParameterDescription {
  readonly key: string;
  readonly value: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** What the chart tells the provisioner to wait for a call (`controller.provisioner.timeout`). */
export const provisionerTimeoutMs = 120_000;

/**
 * A file is one `famfs creat` of the master, one after the other: 47 to 110 ms on a kernel with famfs (two VMs on one shared device,
 * famfs reference, "famfs on a real famfs kernel" 9). What the mounter reads before and after is lost beside it.
 */
const fileMs = 110;

/** The rest of a call: the record, the directories, the reports in between. Zeroing goes by size and is not in it. */
const restMs = 10_000;

/**
 * As many files as one call has the time for. It is no promise: the master goes on when a call is over, which says so, and the same
 * call again waits for what is left. So a slower node, a large volume to be zeroed or a shorter timeout take a call more.
 */
export const maximumFileCount = Math.floor((provisionerTimeoutMs - restMs) / fileMs);

/** famfs reads owners as a C int. */
const maximumOwnerId = 0x7fff_ffff;
const maximumPools = 32;

export const parameterDescriptions: readonly ParameterDescription[] = [
  {
    key: 'pool',
    value: 'names of FamfsPools, with commas',
    fallback: 'any pool that fits',
    meaning: 'Where volumes are made. Of several, one is chosen for each volume, once.',
  },
  {
    key: 'layout',
    value: '`file` or `files`',
    fallback: '`file`',
    meaning: '`file`: one file named `data` of the whole size. `files`: `fileCount` files of equal size.',
  },
  {
    key: 'fileCount',
    value: `1 to ${maximumFileCount}`,
    fallback: '1',
    meaning: 'How many files a volume with `layout: files` has: `data-0000`, `data-0001` and so on.',
  },
  {
    key: 'fileMode',
    value: 'three or four octal digits',
    fallback: '`0666`',
    meaning: 'Permission bits of the files. Set-uid, set-gid and sticky bits are refused.',
  },
  {
    key: 'uid',
    value: '0 to 2147483647',
    fallback: 'root',
    meaning: 'Owner of the files; only together with `gid`.',
  },
  {
    key: 'gid',
    value: '0 to 2147483647',
    fallback: 'root',
    meaning: 'Group of the files; only together with `uid`, because famfs sets owners only together.',
  },
];

const keys = parameterDescriptions.map(({ key }) => key);

/** The provisioner adds the names of claim and volume (`--extra-create-metadata`), and takes its own before it asks. */
const foreignKeyPrefix = 'csi.storage.k8s.io/';

/**
 * Reads the parameters of a class.
 * @throws DriverError `invalid-argument` that names the parameter
 */
export function parseClassParameters(parameters: Readonly<Record<string, string>>): ClassParameters {
  for (const key of Object.keys(parameters)) {
    if (key.startsWith(foreignKeyPrefix) || keys.includes(key)) continue;
    throw refusal(key, `is unknown; known are ${keys.join(', ')}.${didYouMean(key, keys)}`);
  }
  const value = (key: string): string | undefined =>
    Object.hasOwn(parameters, key) ? parameters[key] : undefined;
  const layout = parseLayout(value('layout'));
  return {
    pools: parsePools(value('pool')),
    layout,
    fileCount: parseFileCount(value('fileCount'), layout),
    fileMode: parseFileMode(value('fileMode')),
    owner: parseOwner(value('uid'), value('gid')),
  };
}

function refusal(key: string, problem: string): DriverError {
  return new DriverError('invalid-argument', `the parameter ${JSON.stringify(key.slice(0, 80))} ${problem}`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function parsePools(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const names = text.split(',').map((name) => name.trim());
  if (names.length > maximumPools) throw refusal('pool', `names more than ${maximumPools} pools`);
  const odd = names.find((name) => !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name));
  if (odd !== undefined)
    throw refusal('pool', `names ${shown(odd)}, which is no name that a FamfsPool can have`);
  return [...new Set(names)];
}

function parseLayout(text: string | undefined): LayoutKind {
  if (text === undefined || text === 'file') return 'file';
  if (text === 'files') return 'files';
  throw refusal('layout', `is file or files, not ${shown(text)}`);
}

function parseFileCount(text: string | undefined, layout: LayoutKind): number {
  if (text === undefined) return 1;
  if (layout !== 'files') throw refusal('fileCount', 'goes with layout: files only');
  const count = wholeNumber(text);
  if (count === undefined || count < 1 || count > maximumFileCount)
    throw refusal('fileCount', `is a whole number from 1 to ${maximumFileCount}, not ${shown(text)}`);
  return count;
}

function parseFileMode(text: string | undefined): number {
  if (text === undefined) return 0o666;
  if (!/^0?[0-7]{3}$/.test(text))
    throw refusal('fileMode', `is three octal digits such as 0644, not ${shown(text)}`);
  return Number.parseInt(text, 8);
}

function parseOwner(uid: string | undefined, gid: string | undefined): FileOwner | undefined {
  if (uid === undefined && gid === undefined) return undefined;
  if (uid === undefined || gid === undefined) {
    const [given, missing] = uid === undefined ? ['gid', 'uid'] : ['uid', 'gid'];
    throw refusal(given, `needs ${missing} beside it: famfs sets owner and group of a file only together`);
  }
  const owner = { uid: ownerId('uid', uid), gid: ownerId('gid', gid) };
  if ((owner.uid === 0) === (owner.gid === 0)) return owner;
  throw refusal('uid', 'and gid are both 0 or both above: famfs sets owner and group only together');
}

function ownerId(key: string, text: string): number {
  const id = wholeNumber(text);
  if (id === undefined || id > maximumOwnerId)
    throw refusal(key, `is a whole number from 0 to ${maximumOwnerId}, not ${shown(text)}`);
  return id;
}

function wholeNumber(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : undefined;
}
