// The recorded calls of the real famfs programs (test/fixtures/famfs/transcripts), for tests. Judges nothing.
import { readFileSync } from 'node:fs';

/** One recorded call: how it was called, how it ended, what it said, what it changed. */
export interface Transcript {
  readonly id: string;
  readonly mode: 'v1' | 'fuse';
  readonly node: 'master' | 'client';
  readonly state: string;
  readonly argv: readonly string[];
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  readonly effect: TranscriptEffect;
}

/** What changed, seen from outside; a key is there only when something did. */
export interface TranscriptEffect {
  readonly summary: string;
  readonly media?: Readonly<Record<string, readonly unknown[]>>;
  readonly newEntries?: readonly { readonly path: string; readonly type: string }[];
  readonly mountsAdded?: readonly string[];
  readonly mountsRemoved?: readonly string[];
  readonly treeAdded?: readonly unknown[];
  readonly tmpLeft?: readonly string[];
}

function readAll(): Transcript[] {
  return (['v1', 'fuse'] as const).flatMap((mode) => {
    const file = new URL(`./fixtures/famfs/transcripts/${mode}.jsonl`, import.meta.url);
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Transcript);
  });
}

const transcripts: readonly Transcript[] = readAll();

/** All records of both files. `v1:creat-ok` and `fuse:creat-ok` are the same situation in the two modes. */
export function readTranscripts(): readonly Transcript[] {
  return transcripts;
}

/** Where a record is found, `fuse:mount-ok-empty`. */
export function keyOf(transcript: Transcript): string {
  return `${transcript.mode}:${transcript.id}`;
}
