// The mounter's verbs on the wire: requests of proto/mounter.proto in, answers out. Decides nothing.
import { enumType, serviceType } from '../rpc/codec.ts';
import type { Handlers } from '../rpc/server.ts';
import description, { type famfs } from './generated/mounter.js';
import type { Mounter } from './mounter.ts';
import type { NodeState, PoolPhase, PoolState, Problem } from './pool-state.ts';
import type { MappingEvidence } from './pool-verbs.ts';
import { protocolVersion } from './protocol-version.ts';

type MounterService = famfs.mounter.v1.Mounter;

export const mounterService = serviceType<MounterService>(description, 'famfs.mounter.v1.Mounter');

const roles = enumType<typeof famfs.mounter.v1.Role>(description, 'famfs.mounter.v1.Role');
const modes = enumType<typeof famfs.mounter.v1.Mode>(description, 'famfs.mounter.v1.Mode');
const phases = enumType<typeof famfs.mounter.v1.PoolPhase>(description, 'famfs.mounter.v1.PoolPhase');
const kinds = enumType<typeof famfs.mounter.v1.MappingKind>(description, 'famfs.mounter.v1.MappingKind');

const roleNumbers = { master: roles.ROLE_MASTER, client: roles.ROLE_CLIENT };
const modeNumbers = { standalone: modes.MODE_STANDALONE, fuse: modes.MODE_FUSE };
const phaseNumbers: Readonly<Record<PoolPhase, famfs.mounter.v1.PoolPhase>> = {
  found: phases.POOL_PHASE_FOUND,
  mounting: phases.POOL_PHASE_MOUNTING,
  ready: phases.POOL_PHASE_READY,
  unhealthy: phases.POOL_PHASE_UNHEALTHY,
  lost: phases.POOL_PHASE_LOST,
};
const kindNumbers: Readonly<Record<MappingEvidence['kind'], famfs.mounter.v1.MappingKind>> = {
  'dax-2mib': kinds.MAPPING_KIND_DAX_2MIB,
  'dax-4kib': kinds.MAPPING_KIND_DAX_4KIB,
  'page-cache': kinds.MAPPING_KIND_PAGE_CACHE,
  simulated: kinds.MAPPING_KIND_SIMULATED,
  unknown: kinds.MAPPING_KIND_UNKNOWN,
};

/** Handlers of every verb, for a FrameServer. */
export function mounterHandlers(mounter: Mounter): Handlers<MounterService> {
  return {
    getState: async () => wireState(mounter.state()),
    watchState: async function* (_request, { signal }) {
      for await (const state of mounter.watch(signal)) yield wireState(state);
    },
    bind: async ({ poolUuid, ...order }, { signal }) => mounter.bind(poolUuid, order, signal),
    unbind: async (order) => ({ wasBound: await mounter.unbind(order) }),
    listBinds: async ({ volumeId }) => ({ binds: mounter.listBinds(volumeId) }),
    stat: async ({ poolUuid, path }, { signal }) => {
      const { pool, logEntries, ...contents } = await mounter.contents(poolUuid, path, signal);
      return {
        ...contents,
        logEntries: BigInt(logEntries),
        poolSizeBytes: pool.sizeBytes,
        poolFreeBytes: pool.freeBytes,
        poolLogEntriesTotal: BigInt(pool.logEntriesTotal),
        poolLogEntriesUsed: BigInt(pool.logEntriesUsed),
      };
    },
    checkHealth: async ({ poolUuid, path, target }) => ({
      problems: await mounter.health(poolUuid, path, target),
    }),
    inspectMapping: async ({ poolUuid, path }, { signal }) => {
      const { kind, pageSizeBytes, mappedBytes, evidence } = await mounter.inspectMapping(
        poolUuid,
        path,
        signal,
      );
      return { kind: kindNumbers[kind], pageSizeBytes: BigInt(pageSizeBytes), mappedBytes, evidence };
    },
    makeFiles: async function* ({ poolUuid, ...order }, { signal }) {
      for await (const { filesMade, logEntriesUsed } of mounter.makeFiles(poolUuid, order, signal))
        yield { filesMade, logEntriesUsed: BigInt(logEntriesUsed) };
    },
    zeroFiles: async function* ({ poolUuid, ...order }, { signal }) {
      yield* mounter.zeroFiles(poolUuid, order, signal);
    },
    formatDevice: async (order, { signal }) => ({ poolUuid: await mounter.formatDevice(order, signal) }),
    releasePool: async ({ poolUuid, hold }, { signal }) => {
      if (hold) await mounter.releasePool(poolUuid, signal);
      else await mounter.resumePool(poolUuid);
      return {};
    },
  };
}

function wireState({ mode, problems, devices, pools, ...state }: NodeState) {
  return {
    ...state,
    protocolVersion,
    mode: mode === undefined ? modes.MODE_UNKNOWN : modeNumbers[mode],
    problems: [...problems],
    devices: devices.map(({ poolUuid, problem, ...device }) => ({
      ...device,
      poolUuid: poolUuid ?? '',
      ...wireProblem(problem),
    })),
    pools: pools.map(wirePool),
  };
}

function wirePool({ mode, role, phase, problem, ...pool }: PoolState) {
  return {
    ...pool,
    mode: mode === undefined ? modes.MODE_UNKNOWN : modeNumbers[mode],
    role: role === undefined ? roles.ROLE_UNKNOWN : roleNumbers[role],
    phase: phaseNumbers[phase],
    logEntriesTotal: BigInt(pool.logEntriesTotal),
    logEntriesUsed: BigInt(pool.logEntriesUsed),
    logEntriesReplayed: BigInt(pool.logEntriesReplayed),
    healthyAtMs: BigInt(pool.healthyAtMs),
    ...wireProblem(problem),
  };
}

function wireProblem(problem: Problem | undefined): { problem?: Problem } {
  return problem === undefined ? {} : { problem };
}
