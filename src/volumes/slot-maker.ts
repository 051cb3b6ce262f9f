// The mounter's verbs that make and fill slots, as the master's part of provisioning uses them; both report as they go.
import type { SlotLayout } from './slot-layout.ts';

export interface SlotMaker {
  /** @returns the first report is of what is there already, the last says how long the log is with all files in it */
  makeFiles(
    poolUuid: string,
    directory: string,
    layout: SlotLayout,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly filesMade: number; readonly logEntries: number }>;
  zeroFiles(
    poolUuid: string,
    directory: string,
    names: readonly string[],
    signal: AbortSignal,
  ): AsyncIterable<{ readonly bytesDone: bigint }>;
}
