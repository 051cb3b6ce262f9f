// Composition root of the node plugin: reads the configuration, builds the parts, serves until told to stop.
import path from 'node:path';
import { readConfig } from '../config/options.ts';
import { driverName, type NodeConfig, nodeRole } from '../config.ts';
import { identityHandlers } from '../csi/identity-service.ts';
import { nodeHandlers } from '../csi/node-service.ts';
import { identityService, nodeService } from '../csi/protocol.ts';
import { probe } from '../csi/readiness.ts';
import { topologyKeys } from '../csi/topology.ts';
import { KubeletRegistration } from '../kubelet/registration.ts';
import { TopologyRegistration } from '../kubelet/topology-registration.ts';
import { nameEffectRole } from '../linux/effect-point.ts';
import { MounterClient } from '../mounter/client.ts';
import { switchDebugBySignal } from '../observe/debug-signal.ts';
import { type ObserveServer, startHttpServer } from '../observe/http-server.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { RpcServer } from '../rpc/server.ts';
import { driverVersion } from '../version.ts';
import { keepHeapSmall } from './small-heap.ts';
import { stopSignal } from './stop-signal.ts';

/** Asked by kubelet and probes all the time; their lines would bury the others. */
const quietMethods = [
  ...['Probe', 'GetPluginInfo', 'GetPluginCapabilities', 'NodeGetCapabilities'],
  ...['NodeGetVolumeStats', 'NodeGetVolumeHealth', 'NodeGetStorageHealth'],
];

/** Runs the node plugin until SIGTERM or SIGINT. What is published stays when it ends. */
export async function runNode(argv: readonly string[]): Promise<void> {
  nameEffectRole('node');
  const config = readConfig(nodeRole, argv, process.env);
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, fields: { role: 'node' } });
  // Sockets are made private one by one; nothing of ours is for others in the moment before.
  process.umask(0o077);
  switchDebugBySignal(logger);
  const metrics = new Metrics({ role: 'node', version: driverVersion });
  const mounter = new MounterClient({ address: config.mounterSocket, logger });
  const server = buildServer(config, mounter, logger, metrics);
  const http = await startObserving(config, mounter, logger, metrics);
  const csiSocket = config.csiSocket ?? path.join(config.kubeletDir, 'plugins', driverName, 'csi.sock');
  await server.listen(csiSocket);
  const registration = config.skipRegistration
    ? undefined
    : register(config, csiSocket, mounter, server, logger);
  mounter.start();
  keepHeapSmall();
  logger.info('node plugin started', { version: driverVersion, nodeId: config.nodeId });

  const signal = await stopSignal();
  logger.info('node plugin stopping', { signal });
  await registration?.stop();
  await server.drain(config.drainTimeoutMs);
  await mounter.close();
  await http?.close();
  process.exit(0);
}

function buildServer(
  config: NodeConfig,
  mounter: MounterClient,
  logger: Logger,
  metrics: Metrics,
): RpcServer {
  const server = new RpcServer({ name: 'csi', logger, metrics, quietMethods });
  server.addService(
    identityService,
    identityHandlers({
      driverName,
      version: driverVersion,
      probe: () => probe(mounter.view),
    }),
  );
  server.addService(nodeService, nodeHandlers({ nodeId: config.nodeId, mounter }));
  return server;
}

function register(
  config: NodeConfig,
  csiSocket: string,
  mounter: MounterClient,
  server: RpcServer,
  logger: Logger,
): TopologyRegistration {
  const registration = new TopologyRegistration({
    registrar: new KubeletRegistration({
      registrationDir: config.registrationDir ?? path.join(config.kubeletDir, 'plugins_registry'),
      driverName,
      endpoint: config.kubeletCsiSocket ?? csiSocket,
      logger,
    }),
    keys: () => {
      const { state } = mounter.view;
      return state?.settled === true ? topologyKeys(state) : undefined;
    },
    callsInFlight: () => server.callsInFlight,
    settleMs: config.topologySettleMs,
    logger,
  });
  mounter.onChange(() => registration.check());
  return registration;
}

async function startObserving(
  config: NodeConfig,
  mounter: MounterClient,
  logger: Logger,
  metrics: Metrics,
): Promise<ObserveServer | undefined> {
  if (config.metricsAddress === undefined) return undefined;
  metrics.addProcessMetrics();
  return await startHttpServer({
    ...config.metricsAddress,
    metrics,
    logger,
    healthy: () => [],
    ready: () => {
      const { state, problem } = mounter.view;
      if (problem !== undefined) return [problem.message];
      return state?.settled === true ? [] : ['the mounter has not looked at all devices yet'];
    },
  });
}
