// `famfs-csi state`: what the mounter of this node has, for a person or, as JSON, for a program.
import { readConfig } from '../config/options.ts';
import { stateRole } from '../config.ts';
import { printable } from '../errors/printable.ts';
import { DriverError } from '../errors.ts';
import { MounterClient, mappingKind, type NodeState, type Pool, poolPhase } from '../mounter/client.ts';
import { silentLogger } from '../observe/logger.ts';
import { sizeText } from '../size-text.ts';

const timeoutMs = 30_000;

/** Where the command writes. */
export interface StateOutput {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/**
 * Asks the mounter once and prints what it says. Returns the exit status: 1 when the node or a pool has a problem, and when the
 * mounter does not answer.
 */
export async function runState(argv: readonly string[], { stdout, stderr }: StateOutput): Promise<number> {
  const config = readConfig(stateRole, argv, process.env);
  const client = new MounterClient({ address: config.mounterSocket, logger: silentLogger });
  try {
    const state = await client.calls.getState({}, { timeoutMs });
    const mapping = config.map && (await client.calls.inspectMapping(config.map, { timeoutMs }));
    if (config.json) stdout.write(`${asJson({ ...state, ...(mapping === undefined ? {} : { mapping }) })}\n`);
    else
      stdout.write(
        `${[...pageOf(state), ...(mapping === undefined ? [] : ['', ...linesOf(mapping)])].join('\n')}\n`,
      );
    const isWell = state.problems.length === 0 && state.pools.every(({ problem }) => problem == null);
    return isWell ? 0 : 1;
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    stderr.write(`famfs-csi state: ${printable(error.message)}\n`);
    if (error.reason === 'mounter-unavailable')
      stderr.write('Run it where the mounter of the node runs; --mounter-socket says where that listens.\n');
    return 1;
  } finally {
    await client.close();
  }
}

function asJson(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? Number(each) : each), 2);
}

function pageOf(state: NodeState): string[] {
  return [
    `node with kernel ${state.kernelRelease}, famfs identity ${state.systemUuid || 'none yet'}`,
    `  famfs        ${state.famfsLocation === 'host' ? "the host's" : "the image's"}; daemons are kept by: ${state.launcher}`,
    `  writes       ${state.allowWrites}`,
    `  formats      ${state.allowFormat}`,
    ...state.problems.map(({ reason, message }) => `  PROBLEM      ${reason}: ${message}`),
    ...state.devices.flatMap(({ name, sizeBytes, driver, poolUuid, problem }) => [
      '',
      `device ${name}: ${sizeText(sizeBytes)}, driver ${driver || 'none'}${poolUuid === '' ? ', no pool' : `, pool ${poolUuid}`}`,
      ...(problem == null ? [] : [`  PROBLEM      ${problem.reason}: ${problem.message}`]),
    ]),
    ...state.pools.flatMap((pool) => ['', ...linesOfPool(pool)]),
  ];
}

function linesOfPool(pool: Pool): string[] {
  return [
    `pool ${pool.uuid}${pool.simulated ? ' (simulated)' : ''}: ${nameOf(poolPhase, pool.phase, 'POOL_PHASE_')}`,
    `  mounted at   ${pool.mountPath}`,
    `  space        ${sizeText(pool.freeBytes)} free of ${sizeText(pool.sizeBytes)}, longest run ${sizeText(pool.longestFreeRunBytes)}`,
    `  log          ${pool.logEntriesUsed} of ${pool.logEntriesTotal} entries used, ${pool.logEntriesReplayed} replayed here`,
    `  published    ${pool.binds} times on this node; writers: ${pool.writers}`,
    ...(pool.problem == null ? [] : [`  PROBLEM      ${pool.problem.reason}: ${pool.problem.message}`]),
  ];
}

function linesOf(mapping: { kind: number; pageSizeBytes: bigint; evidence: string }): string[] {
  return [
    `mapping: ${nameOf(mappingKind, mapping.kind, 'MAPPING_KIND_')}, pages of ${sizeText(mapping.pageSizeBytes)}`,
    `  seen         ${mapping.evidence}`,
  ];
}

function nameOf(numbers: Readonly<Record<string, unknown>>, number: number, prefix: string): string {
  const name = Object.keys(numbers).find((each) => numbers[each] === number) ?? String(number);
  return name.replace(prefix, '').toLowerCase().replaceAll('_', ' ');
}
