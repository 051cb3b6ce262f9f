// What the output of each famfs command itself proves when all went well. Knows the lines of success only; what
// speaks against success is in the message catalogue.
import type { CommandName } from './command-line.ts';
import {
  type FsckReport,
  parseFsckReport,
  parseReportedSuperblock,
  type ReportedSuperblock,
} from './fsck-report.ts';

/** What a replay counted: entries of the whole log, and what it made of them on this node. */
export interface ReplayCounts {
  readonly entries: number;
  readonly files: number;
  readonly directories: number;
}

/** What is known of a command that went well. An empty one says nothing that reading back would not say better. */
export interface DetailsByCommand {
  readonly mkfs: { readonly superblock: ReportedSuperblock };
  readonly mount: ReplayCounts;
  readonly 'dummy-mount': { readonly mountPoint: string };
  readonly logplay: ReplayCounts;
  readonly mkdir: Record<never, never>;
  readonly creat: { readonly randomizedBytes: bigint };
  readonly cp: { readonly copiedPath: string };
  readonly fsck: FsckReport;
  readonly flush: Record<never, never>;
  readonly verify: { readonly verifiedBytes: bigint };
}

type Proof<Name extends CommandName> = (output: string) => DetailsByCommand[Name] | undefined;

function replayCounts(output: string): ReplayCounts | undefined {
  const pattern =
    /^famfs_logplay\((?:v1|shadow|client)\): (\d{1,15}) log entries; (\d{1,15}) new files; (\d{1,15}) new directories$/m;
  const match = pattern.exec(output);
  if (match === null) return undefined;
  return { entries: Number(match[1]), files: Number(match[2]), directories: Number(match[3]) };
}

function mkfsDetails(output: string): DetailsByCommand['mkfs'] | undefined {
  const superblock = parseReportedSuperblock(output);
  return superblock === undefined ? undefined : { superblock };
}

function dummyMountDetails(output: string): DetailsByCommand['dummy-mount'] | undefined {
  const mountPoint = /^Successful dummy mount at (\/\S+)$/m.exec(output)?.[1];
  return mountPoint === undefined ? undefined : { mountPoint };
}

function creatDetails(output: string): DetailsByCommand['creat'] | undefined {
  const bytes = /^randomized (\d{1,20}) bytes: .+$/m.exec(output)?.[1];
  return bytes === undefined ? undefined : { randomizedBytes: BigInt(bytes) };
}

function cpDetails(output: string): DetailsByCommand['cp'] | undefined {
  const copiedPath = /^famfs cp: 100%: (\/.+)$/m.exec(output)?.[1];
  return copiedPath === undefined ? undefined : { copiedPath };
}

function verifyDetails(output: string): DetailsByCommand['verify'] | undefined {
  const bytes = /^Success: verified (\d{1,20}) bytes in file .+$/m.exec(output)?.[1];
  return bytes === undefined ? undefined : { verifiedBytes: BigInt(bytes) };
}

/**
 * Per command, what its stdout proves, or undefined when it proves nothing. `mkdir` and a plain `creat` say nothing
 * when they succeed, nor when they left a phantom (reference 4.3), so they prove nothing. `flush` says nothing either
 * when it succeeds, but always says so when it fails, and leaves nothing to read back: its silence counts.
 */
export const proofs: { readonly [Name in CommandName]: Proof<Name> } = {
  mkfs: mkfsDetails,
  mount: replayCounts,
  'dummy-mount': dummyMountDetails,
  logplay: replayCounts,
  mkdir: () => undefined,
  creat: creatDetails,
  cp: cpDetails,
  fsck: parseFsckReport,
  flush: () => ({}),
  verify: verifyDetails,
};
