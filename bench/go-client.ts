// The Go client and the programs beside it, as the figures use them. The same client makes the same calls to the
// driver and to the peer.
import { buildGoProgram } from '../tools/go-program.ts';
import { runMeasuring } from './run-measuring.ts';
import type { Subject } from './subject.ts';

/** What client and raw-mounts print (bench/internal/measure). Times are in milliseconds. */
export interface CycleResult {
  readonly perSecond: number;
  readonly cycleP50Ms: number;
  readonly cycleP99Ms: number;
  /** Of the first half of a cycle: the publish, or whatever the client's help says. */
  readonly firstP50Ms: number;
  readonly firstP99Ms: number;
}

export interface Load {
  readonly inFlight: number;
  readonly cycles: number;
  readonly warmUp?: number;
}

/** What the client is told by -do. */
export type ClientWork = 'cycle' | 'ready' | 'capabilities' | 'burst' | 'publish' | 'unpublish';

/** Has the client do its work against a server, at targets below an existing folder. */
export function runClient(
  server: Pick<Subject, 'socket' | 'volumeContext'>,
  work: ClientWork,
  targets: string,
  load: Load,
): Promise<CycleResult> {
  const { socket, volumeContext } = server;
  const context = Object.entries(volumeContext).flatMap(([key, value]) => ['-context', `${key}=${value}`]);
  const client = buildGoProgram({ module: 'bench', package: 'client' });
  return runMeasuring(
    client,
    ['-socket', socket, ...context, '-do', work, '-targets', targets, ...loadFlags(load)],
    isCycleResult,
  );
}

/** Makes and removes binds of a directory by the bare system calls that a publish and an unpublish come down to. */
export function runRawMounts(source: string, targets: string, load: Load): Promise<CycleResult> {
  const program = buildGoProgram({ module: 'bench', package: 'raw-mounts' });
  return runMeasuring(program, ['-source', source, '-targets', targets, ...loadFlags(load)], isCycleResult);
}

/** Copies a file and reads the first byte of the copy, which is removed; how many milliseconds that took. */
export async function copyFileMs(from: string, to: string): Promise<number> {
  const program = buildGoProgram({ module: 'bench', package: 'copy-file' });
  const { ms } = await runMeasuring(program, ['-from', from, '-to', to], hasMs);
  return ms;
}

function loadFlags({ inFlight, warmUp = 0, cycles }: Load): readonly string[] {
  return ['-in-flight', `${inFlight}`, '-warm-up', `${warmUp}`, '-cycles', `${cycles}`];
}

function isCycleResult(value: unknown): value is CycleResult {
  if (typeof value !== 'object' || value === null) return false;
  const fields = ['perSecond', 'cycleP50Ms', 'cycleP99Ms', 'firstP50Ms', 'firstP99Ms'] as const;
  const numbers: Partial<Record<string, unknown>> = value;
  return fields.every((field) => Number.isFinite(numbers[field]));
}

function hasMs(value: unknown): value is { readonly ms: number } {
  return typeof value === 'object' && value !== null && 'ms' in value && Number.isFinite(value.ms);
}
