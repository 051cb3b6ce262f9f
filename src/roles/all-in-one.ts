// Composition root of the role that is the whole driver in one process on one host, without Kubernetes: CSI controller and
// node, maker of volumes, and mounter. Records of volumes are in a file; the code that decides is the cluster's.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { LocalPools } from '../agent/local-pools.ts';
import { slotMaker } from '../agent/slot-making.ts';
import { readConfig } from '../config/options.ts';
import { type AllInOneConfig, allInOneRole, driverName } from '../config.ts';
import { controllerHandlers } from '../csi/controller-service.ts';
import { identityHandlers } from '../csi/identity-service.ts';
import { nodeHandlers } from '../csi/node-service.ts';
import { controllerService, identityService, nodeService } from '../csi/protocol.ts';
import { probe } from '../csi/readiness.ts';
import { DriverError } from '../errors.ts';
import { nameEffectRole } from '../linux/effect-point.ts';
import { type FileLock, tryFileLock } from '../linux/file-lock.ts';
import { MounterClient, poolRole } from '../mounter/client.ts';
import { mounterHandlers, mounterService } from '../mounter/service.ts';
import { switchDebugBySignal } from '../observe/debug-signal.ts';
import { startHttpServer } from '../observe/http-server.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { FrameServer } from '../rpc/frame-server.ts';
import { RpcServer } from '../rpc/server.ts';
import { driverVersion } from '../version.ts';
import { FileRecords } from '../volumes/file-records.ts';
import { Provisioner } from '../volumes/provisioner.ts';
import { RecordTending } from '../volumes/record-tending.ts';
import { VolumeMaker } from '../volumes/volume-maker.ts';
import { buildMounter } from './mounter-parts.ts';
import { keepHeapSmall } from './small-heap.ts';
import { stopSignal } from './stop-signal.ts';

/** Runs everything until SIGTERM or SIGINT. Mounts, binds, daemons and records outlive it. */
export async function runAllInOne(argv: readonly string[]): Promise<void> {
  nameEffectRole('all-in-one');
  const config = readConfig(allInOneRole, argv, process.env);
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    fields: { role: 'all-in-one' },
  });
  process.umask(0o077);
  switchDebugBySignal(logger);
  const metrics = new Metrics({ role: 'all-in-one', version: driverVersion });
  mkdirSync(path.dirname(config.recordsFile), { recursive: true, mode: 0o700 });
  const lock = requireLock(config.recordsFile);
  const mounter = buildMounter(config, logger);
  const verbs = new FrameServer({
    name: 'mounter',
    logger,
    metrics,
    quietMethods: ['GetState', 'WatchState'],
  });
  verbs.addService(mounterService, mounterHandlers(mounter));
  await verbs.listen(config.socket, { makeFolderPrivate: true });
  mounter.start();
  const client = new MounterClient({ address: config.socket, logger });
  client.start();
  const { csi, maker, tending } = buildCsi(config, client, logger, metrics);
  const http =
    config.metricsAddress &&
    (await startHttpServer({
      ...config.metricsAddress,
      metrics,
      logger,
      healthy: () => [],
      ready: () => [],
    }));
  await csi.listen(config.csiSocket);
  maker.start();
  tending.start();
  keepHeapSmall();
  logger.info('all in one started', {
    version: driverVersion,
    nodeId: config.nodeId,
    csiSocket: config.csiSocket,
  });

  const signal = await stopSignal();
  logger.info('all in one stopping', { signal });
  await csi.drain(config.drainTimeoutMs);
  await Promise.all([maker.stop(), tending.stop()]);
  await client.close();
  await verbs.drain(config.drainTimeoutMs);
  await mounter.close();
  await http?.close();
  lock.release();
  process.exit(0);
}

function buildCsi(
  config: AllInOneConfig,
  mounter: MounterClient,
  logger: Logger,
  metrics: Metrics,
): { csi: RpcServer; maker: VolumeMaker; tending: RecordTending } {
  const { nodeId, deletedVolumes } = config;
  const records = new FileRecords(config.recordsFile);
  const pools = new LocalPools({
    mounter,
    node: nodeId,
    deletedVolumes: deletedVolumes === 'reuse' ? 'Reuse' : 'Keep',
  });
  const csi = new RpcServer({ name: 'csi', logger, metrics, quietMethods: ['Probe', 'NodeGetCapabilities'] });
  csi.addService(
    identityService,
    identityHandlers({
      driverName,
      version: driverVersion,
      probe: () => probe(mounter.view),
    }),
  );
  csi.addService(nodeService, nodeHandlers({ nodeId, mounter }));
  const provisioner = new Provisioner({ records, pools });
  csi.addService(controllerService, controllerHandlers({ provisioner, records, pools }));
  const maker = new VolumeMaker({
    records,
    maker: slotMaker(mounter.calls),
    node: nodeId,
    slotsInUse: (left) => pools.slotsInUse(left),
    log: logger,
  });
  // A host that is called otherwise than before finds its records under its former name.
  const tending = new RecordTending({ records, pools, log: logger });
  let mastered: string | undefined;
  mounter.onChange(() => {
    const now = mounter.view.state?.pools
      .filter(({ role }) => role === poolRole.ROLE_MASTER)
      .map(({ uuid }) => uuid)
      .join();
    if (now !== mastered) tending.look();
    mastered = now;
  });
  return { csi, maker, tending };
}

/** Two processes on one file of records would each take the other's volumes for never made. */
function requireLock(recordsFile: string): FileLock {
  const lock = tryFileLock(`${recordsFile}.lock`);
  if (lock !== undefined) return lock;
  throw new DriverError(
    'config-invalid',
    `Another process has ${recordsFile} open; end it, or give this one another --records-file.`,
  );
}
