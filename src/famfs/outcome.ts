// Decides how a famfs command ended: from what it said first, its exit status second, and never from the status
// alone (famfs reference 1.0). What only reading back can prove is called unproven. Runs and reads nothing itself.
import { DriverError, type ErrorDetails, type Reason } from '../errors.ts';
import type { CommandResult } from '../linux/child-process.ts';
import type { CatalogueRow, PossibleCause } from './catalogue-row.ts';
import { type DetailsByCommand, proofs } from './command-details.ts';
import type { CommandName } from './command-line.ts';
import { type Leftovers, leftoversOf } from './leftovers.ts';
import { type CatalogueMatch, decidingRow, fillIn, shownText, unknownLine } from './message-catalogue.ts';

/** What was run, as far as judging it needs. */
export interface CommandContext<Name extends CommandName = CommandName> {
  readonly name: Name;
  /** the command and what it was about, "famfs creat of v/x/data in /run/famfs/p"; begins every message */
  readonly subject: string;
  /** whether famfs mounts for it: mkfs, mount and fsck of a device */
  readonly makesMount: boolean;
}

/** What the classifier looks at of a finished command. */
export type JudgedResult = Pick<
  CommandResult,
  'exitCode' | 'signal' | 'stdout' | 'stderr' | 'timedOut' | 'aborted' | 'abandoned' | 'durationMs'
>;

/**
 * How a command ended.
 * - `ok`: its own words prove that it did what was asked.
 * - `failed`: it did not, or a part of it is wrong; `details` are there when it said them nevertheless (fsck).
 * - `unproven`: nothing proves it either way. Read back, and if the effect is not there, throw `error`.
 *
 * `causes` is not empty when the same words have several causes: check them in order and throw `errorOfCause`.
 */
export type Outcome<Details> =
  | { readonly kind: 'ok'; readonly details: Details; readonly leftovers: Leftovers }
  | {
      readonly kind: 'failed' | 'unproven';
      readonly error: DriverError;
      readonly causes: readonly PossibleCause[];
      readonly details?: Details;
      readonly leftovers: Leftovers;
    };

export type OutcomeOf<Name extends CommandName> = Outcome<DetailsByCommand[Name]>;

/** How many characters of either end of a stream are judged: famfs says some hundred, and a line for each bad entry. */
const judgedEnd = 16_384;

interface Verdict {
  readonly kind: 'failed' | 'unproven';
  readonly reason: Reason;
  readonly sentence: string;
  readonly match?: CatalogueMatch;
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};
const signalNames = new Map(Object.entries(signalNumbers).map(([name, number]) => [number, name]));

/** The exit status as a shell would show it: 128 + n for signal n. */
function exitStatus(result: JudgedResult): number {
  if (result.signal !== null) return 128 + (signalNumbers[result.signal] ?? 0);
  return result.exitCode ?? 128;
}

function signalOf(result: JudgedResult): string | undefined {
  return result.signal ?? signalNames.get((result.exitCode ?? 0) - 128);
}

function verdictOfForcedEnd(result: JudgedResult): Verdict | undefined {
  const after = `after ${(result.durationMs / 1000).toFixed(1)} s`;
  if (result.abandoned) {
    const sentence = `it did not answer ${after} and cannot be killed, so the pool hangs. The command still runs; look for hung tasks in the kernel log.`;
    return { kind: 'failed', reason: 'pool-hung', sentence };
  }
  if (result.timedOut) {
    const sentence = `it was killed ${after} because it had not ended. Check what it left before trying again.`;
    return { kind: 'failed', reason: 'pool-hung', sentence };
  }
  if (result.aborted) {
    const sentence = `it was ended ${after} because the caller withdrew. It may have done its work in part.`;
    return { kind: 'unproven', reason: 'cancelled', sentence };
  }
  return undefined;
}

function verdictOfSignal(name: CommandName, signal: string): Verdict {
  if (signal === 'SIGBUS') {
    const sentence =
      'it was ended by SIGBUS: the memory of the pool cannot be read. Unmount and mount the pool again.';
    return { kind: 'failed', reason: 'pool-memory-failed', sentence };
  }
  const readsLog = name === 'fsck' || name === 'logplay' || name === 'mount';
  if (readsLog && (signal === 'SIGSEGV' || signal === 'SIGABRT')) {
    const sentence = `it crashed (${signal}) on what it read in the pool. Inspect the log of the pool for entries that famfs cannot have written.`;
    return { kind: 'failed', reason: 'log-refused', sentence };
  }
  const sentence = `it was ended by ${signal}. Look at what exists now before trying again.`;
  return { kind: 'failed', reason: 'command-failed', sentence };
}

function verdictOfRow(match: CatalogueMatch, succeeded: boolean): Verdict {
  const { row, groups } = match;
  const sentence = `${fillIn(row.meaning, groups)}. ${fillIn(row.remedy, groups)}`;
  const reason = row.reason === 'information' ? 'command-failed' : row.reason;
  return { kind: succeeded ? 'unproven' : 'failed', reason, sentence, match };
}

function verdictOfSilence(name: CommandName, text: string, status: number): Verdict {
  const said = unknownLine({ command: name, text, exitCode: status });
  const words = said === undefined ? 'and gave no reason' : `and said: ${said}`;
  if (status !== 0) {
    const sentence = `it ended with status ${status} ${words}. Look for famfs in the system log.`;
    return { kind: 'failed', reason: 'command-failed', sentence };
  }
  const sentence = `it ended with status 0, but what it should have done is not to be found. Check that nothing else runs famfs on the pool.`;
  return { kind: 'unproven', reason: 'command-failed', sentence };
}

function judge(
  context: CommandContext,
  result: JudgedResult,
  text: string,
  proven: boolean,
): Verdict | undefined {
  const forced = verdictOfForcedEnd(result);
  if (forced !== undefined) return forced;
  const status = exitStatus(result);
  const match = decidingRow({ command: context.name, text, exitCode: status });
  // fsck ends with status 0 also when its report tells of damaged entries (reference 1.3): then the report decides.
  const isBadReport = context.name === 'fsck' && proven;
  if (match !== undefined) return verdictOfRow(match, status === 0 && !isBadReport);
  const signal = signalOf(result);
  if (signal !== undefined) return verdictOfSignal(context.name, signal);
  return status === 0 && proven ? undefined : verdictOfSilence(context.name, text, status);
}

function errorDetails(
  context: CommandContext,
  result: JudgedResult,
  row: CatalogueRow | undefined,
): ErrorDetails {
  const details: Record<string, string | number> = {
    command: context.name,
    exitStatus: exitStatus(result),
    durationMs: Math.round(result.durationMs),
  };
  if (row !== undefined) details.message = row.id;
  const stderr = shownText(result.stderr.slice(-2000));
  if (stderr !== '') details.stderr = stderr;
  return details;
}

function noLeftovers(): Leftovers {
  return { mountMayRemain: false };
}

/** Beginning and end of a stream that is longer than any command of famfs makes it, so that judging it takes no time. */
function judgedPart(text: string): string {
  if (text.length <= 2 * judgedEnd) return text;
  return `${text.slice(0, judgedEnd)}\n${text.slice(-judgedEnd)}`;
}

/**
 * Judges a finished command. Never throws, whatever the command said.
 * @param context what was run
 * @param result how it ended and what it said
 */
export function classify<Name extends CommandName>(
  context: CommandContext<Name>,
  result: JudgedResult,
): OutcomeOf<Name> {
  const stdout = judgedPart(result.stdout);
  const text = `${judgedPart(result.stderr)}\n${stdout}`;
  const details: DetailsByCommand[Name] | undefined = proofs[context.name](stdout);
  const verdict = judge(context, result, text, details !== undefined);
  const row = verdict?.match?.row;
  const byForce = signalOf(result) !== undefined || result.abandoned;
  const ended = byForce ? 'by-force' : verdict === undefined ? 'well' : 'badly';
  const leftovers = context.makesMount
    ? leftoversOf({ command: context.name, ended, text, row })
    : noLeftovers();
  if (verdict === undefined && details !== undefined) return { kind: 'ok', details, leftovers };
  const { kind, reason, sentence } = verdict ?? verdictOfSilence(context.name, text, exitStatus(result));
  const error = new DriverError(reason, `${context.subject} failed: ${sentence}`, {
    details: errorDetails(context, result, row),
  });
  const causes = row?.causes ?? [];
  return { kind, error, causes, leftovers, ...(details === undefined ? {} : { details }) };
}

/** The error to throw once it is known which of the possible causes it was. The ambiguous error stays as its cause. */
export function errorOfCause(error: DriverError, cause: PossibleCause): DriverError {
  const subject = error.message.split(' failed: ')[0] ?? 'famfs';
  return new DriverError(cause.reason, `${subject} failed: ${cause.meaning}. ${cause.remedy}`, {
    cause: error,
    details: { ...error.details, cause: cause.id },
  });
}
