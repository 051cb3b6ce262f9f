// The shape of a row of the message catalogue. Knows no message.
import type { Reason } from '../errors.ts';
import type { CommandName } from './command-line.ts';

/** One of several things that famfs says in the same words; whoever ran the command has to find out which it was. */
export interface PossibleCause {
  readonly id:
    | 'held-elsewhere'
    | 'capability-missing'
    | 'device-node-missing'
    | 'kernel-without-famfs'
    | 'abi-mismatch'
    | 'daemon-missing'
    | 'daemon-crashed';
  readonly reason: Reason;
  readonly meaning: string;
  readonly remedy: string;
}

/**
 * One thing that famfs, or what starts it, can say. `meaning` and `remedy` may name groups of `pattern` as `{group}`.
 * Of several rows that match an output the first of the catalogue decides; rows of `information` never do.
 */
export interface CatalogueRow {
  readonly id: string;
  /** matched anywhere in stderr followed by stdout; `^` and `$` mean lines */
  readonly pattern: RegExp;
  readonly commands: readonly CommandName[] | 'all';
  /** the words alone do not mean this unless the program also failed, or ended with this status */
  readonly exit?: 'nonzero' | number;
  /** what happened, in the middle of a sentence */
  readonly meaning: string;
  readonly reason: Reason | 'information';
  /** what to do about it, a whole sentence */
  readonly remedy: string;
  /** what a failed `famfs mount` leaves when it says this; where a row is silent, the rest of the output tells */
  readonly mount?: 'none' | 'remains';
  /** the words are ambiguous: what may be behind them, in the order in which to look */
  readonly causes?: readonly PossibleCause[];
}
