// The mounter, wired: what its own role and the role that is everything in one build. Serves nothing by itself.
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { MounterConfig } from '../config.ts';
import { DriverError } from '../errors.ts';
import type { CommandLocation } from '../famfs/command-location.ts';
import { FamfsCommands } from '../famfs/famfs-commands.ts';
import { type DaxDevice, listDaxDevices } from '../linux/dax-devices.ts';
import { atEffect } from '../linux/effect-point.ts';
import { WorkerProcess } from '../linux/worker-process.ts';
import { BindRecords } from '../mounter/bind-record.ts';
import { BindRegistry } from '../mounter/bind-registry.ts';
import { ChangeSignal } from '../mounter/change-signal.ts';
import { CommandQueue } from '../mounter/command-queue.ts';
import { DeviceFormatting } from '../mounter/device-formatting.ts';
import { DeviceLooks } from '../mounter/device-looks.ts';
import { chooseLauncher, type Launcher, writableHierarchies } from '../mounter/launcher.ts';
import { MountRemoval } from '../mounter/mount-removal.ts';
import { Mounter } from '../mounter/mounter.ts';
import type { MounterSettings } from '../mounter/mounter-settings.ts';
import { chooseMode, kernelFileSystems, readNodeFacts } from '../mounter/node-facts.ts';
import { Pool } from '../mounter/pool.ts';
import { PoolFinder } from '../mounter/pool-finder.ts';
import { PoolHold } from '../mounter/pool-hold.ts';
import { PoolMounts } from '../mounter/pool-mounts.ts';
import type { Mode } from '../mounter/pool-state.ts';
import { PoolWorker } from '../mounter/pool-worker.ts';
import type { PoolWorkerSettings } from '../mounter/pool-worker-main.ts';
import type { Logger } from '../observe/logger.ts';
import { smallHeapEnvironment } from './small-heap.ts';

/** What of the mounter's options its parts need; where it serves is for the role. */
export type MounterPartsConfig = Omit<
  MounterConfig,
  'socket' | 'logLevel' | 'logFormat' | 'metricsAddress' | 'drainTimeoutMs'
>;

/** All parts of the mounter, wired, and its folders made. */
export function buildMounter(config: MounterPartsConfig, log: Logger): Mounter {
  const settings = settingsOf(config);
  for (const folder of [settings.poolDir, settings.shadowDir, settings.lockDir])
    atEffect(`mkdir ${path.basename(folder)}`, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  const location = commandLocationOf(config);
  const mode = chooseMode(settings.mode, kernelFileSystems());
  const launcher = launcherOf(config, location);
  const records = new BindRecords(settings.recordDir);
  const registry = new BindRegistry(records);
  const changes = new ChangeSignal();
  const commands = famfsCommands(config, mode, location, log);
  const machineQueue = new CommandQueue(path.join(settings.lockDir, 'machine'));
  const removal = new MountRemoval(location);
  const workerOf = poolWorkers(settings, registry, removal);
  const looks = new DeviceLooks({ settings, location, commands, removal, startWorker: workerOf, log });
  const mounts = new PoolMounts({
    ...{ settings, mode, launcher, commands, machineQueue, removal, looks, log },
  });
  const listDevices = (): DaxDevice[] => listDaxDevices(settings.sysfsRoot, settings.devRoot);
  const finder = new PoolFinder({
    ...{ settings, mounts, changes, log, listDevices },
    makePool: (uuid, device) =>
      new Pool(uuid, device, {
        mounts,
        registry,
        log,
        worker: workerOf(uuid, mounts.pathOf(uuid)),
        queue: new CommandQueue(path.join(settings.lockDir, `pool-${uuid}`)),
        hold: new PoolHold(uuid, settings.lockDir),
        replayIntervalMs: settings.replayIntervalMs,
        allowWrites: settings.allowWrites,
        onChange: () => changes.raise(),
      }),
  });
  const formatting = new DeviceFormatting({
    ...{ settings, listDevices, looks, commands, machineQueue, log },
    roleIn: (systemUuid) => mounts.roleIn(systemUuid),
  });
  const facts = readNodeFacts({
    mode,
    launcher: launcher.name,
    famfsLocation: config.famfsLocation,
    visibleBinDir: config.famfsLocation === 'image' ? config.famfsBinDir : undefined,
    systemUuidPath: settings.systemUuidPath,
  });
  return new Mounter({
    ...{ settings, facts, finder, registry, records, changes, commands, formatting, log },
    startBulkWorker: (uuid) => workerOf(uuid, mounts.pathOf(uuid)),
  });
}

function settingsOf(config: MounterPartsConfig): MounterSettings {
  const { pools, stateDir, ...rest } = config;
  return { ...rest, recordDir: stateDir, pools: pools === 'all' ? undefined : pools };
}

function famfsCommands(
  config: MounterPartsConfig,
  mode: Mode,
  location: CommandLocation,
  log: Logger,
): FamfsCommands {
  return new FamfsCommands({
    mode,
    location,
    ...(config.famfsBinDir === undefined ? {} : { famfsBinDir: config.famfsBinDir }),
    onFinished: ({ request, outcome, result }) => {
      const failure =
        outcome.kind === 'failed' ? { reason: outcome.error.reason, problem: outcome.error.message } : {};
      const durationMs = Math.round(result?.durationMs ?? 0);
      log[outcome.kind === 'failed' ? 'info' : 'debug']('famfs command finished', {
        command: request.name,
        outcome: outcome.kind,
        durationMs,
        ...failure,
      });
    },
  });
}

/** Where famfs runs. */
export function commandLocationOf(
  config: Pick<MounterPartsConfig, 'famfsLocation' | 'hostPid'>,
): CommandLocation {
  return config.famfsLocation === 'host' ? { kind: 'host', hostPid: config.hostPid } : { kind: 'image' };
}

/** What starts famfs's daemons on this node. */
export function launcherOf(
  config: Pick<MounterPartsConfig, 'launcher' | 'hostPid'>,
  location: CommandLocation,
): Launcher {
  const hostRoot = location.kind === 'host' ? `/proc/${location.hostPid}/root` : '';
  return chooseLauncher(
    config.launcher,
    location,
    existsSync(`${hostRoot}/run/systemd/system`),
    writableHierarchies(config.hostPid),
  );
}

function poolWorkers(
  settings: MounterSettings,
  registry: BindRegistry,
  removal: MountRemoval,
): (poolUuid: string, mountPath: string) => PoolWorker {
  return (poolUuid, mountPath) => {
    const order: PoolWorkerSettings = {
      poolUuid,
      mountPath,
      allowedRoots: settings.kubeletDirs,
      recordDirectory: settings.recordDir,
      mayBeWritten: settings.allowWrites !== 'never',
    };
    const start = (): WorkerProcess => {
      // The former worker of this pool has ended, perhaps in the middle of a bind.
      registry.reload(poolUuid);
      return startWorker(order, () => removal.daemonsOf(mountPath));
    };
    return new PoolWorker(start, poolUuid, settings.probeTimeoutMs);
  };
}

/** Starts this very program again, as a worker. */
function startWorker(order: PoolWorkerSettings, servers: () => number[]): WorkerProcess {
  const program = process.argv[1];
  if (program === undefined) throw new DriverError('internal', 'The program does not know its own path.');
  const argv = [process.execPath, ...process.execArgv, program, 'mounter-worker', JSON.stringify(order)];
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  const compileCache = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
  return new WorkerProcess(argv, { env: { ...smallHeapEnvironment, PATH, ...compileCache }, servers });
}
