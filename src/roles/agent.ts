// Composition root of the agent: reports its node as a FamfsNode, and carries out what FamfsVolumes and FamfsPools ask of it
// through the mounter. Keeps nothing: another process goes on by what the API server and the mounter say.
import { FamfsNodeObject } from '../agent/famfs-node-object.ts';
import { NodeReporter } from '../agent/node-reporter.ts';
import { PoolFormatter } from '../agent/pool-formatter.ts';
import { slotMaker } from '../agent/slot-making.ts';
import { SlotsInUse } from '../agent/slots-in-use.ts';
import { readConfig } from '../config/options.ts';
import { type AgentConfig, agentRole } from '../config.ts';
import { ApiClient } from '../kubernetes/api-client.ts';
import type { FamfsNode } from '../kubernetes/famfs-node.ts';
import type { FamfsPool } from '../kubernetes/famfs-pool.ts';
import type { FamfsVolume } from '../kubernetes/famfs-volume.ts';
import { KubeAccess } from '../kubernetes/kube-access.ts';
import { ObjectCache } from '../kubernetes/object-cache.ts';
import { famfsNodes, famfsPools, famfsVolumes, nodes } from '../kubernetes/resources.ts';
import { KubernetesVolumeRecords } from '../kubernetes/volume-records.ts';
import { nameEffectRole } from '../linux/effect-point.ts';
import { MounterClient } from '../mounter/client.ts';
import { type ApiFigures, addApiMetrics } from '../observe/api-metrics.ts';
import { switchDebugBySignal } from '../observe/debug-signal.ts';
import { type ObserveServer, startHttpServer } from '../observe/http-server.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { driverVersion } from '../version.ts';
import { paceAmong, VolumeMaker } from '../volumes/volume-maker.ts';
import { keepHeapSmall } from './small-heap.ts';
import { stopSignal } from './stop-signal.ts';

/** A pool is let go of when what runs on it has come to its end. */
const releaseTimeoutMs = 60_000;

/** Runs the agent until SIGTERM or SIGINT. What it began goes on when it is started again. */
export async function runAgent(argv: readonly string[]): Promise<void> {
  nameEffectRole('agent');
  const config = readConfig(agentRole, argv, process.env);
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    fields: { role: 'agent' },
  });
  process.umask(0o077);
  switchDebugBySignal(logger);
  const mounter = new MounterClient({ address: config.mounterSocket, logger });
  const agent = buildAgent(config, mounter, logger);
  const http = await startObserving(config, mounter, agent.api, logger);
  agent.start();
  mounter.start();
  keepHeapSmall();
  logger.info('agent started', { version: driverVersion, nodeId: config.nodeId });

  const signal = await stopSignal();
  logger.info('agent stopping', { signal });
  await agent.stop();
  await mounter.close();
  await http?.close();
  process.exit(0);
}

function buildAgent(
  { nodeId, kubeconfig, reportIntervalMs }: AgentConfig,
  mounter: MounterClient,
  log: Logger,
): { readonly api: ApiFigures; start(): void; stop(): Promise<void> } {
  const access = KubeAccess.from({ kubeconfig });
  const client = new ApiClient({ access, userAgent: `famfs-csi-agent/${driverVersion}`, log });
  const volumes = new ObjectCache<FamfsVolume>({
    ...{ client, resource: famfsVolumes, log },
    fieldSelector: `spec.nodeName=${nodeId}`,
  });
  const pools = new ObjectCache<FamfsPool>({ client, resource: famfsPools, log });
  const records = new KubernetesVolumeRecords({ client, cache: volumes, log, nodeName: nodeId });
  const inUse = new SlotsInUse({ client, mounter, node: nodeId });
  const maker = new VolumeMaker({
    maker: slotMaker(mounter.calls),
    slotsInUse: (left) => inUse.among(left),
    ...{ records, node: nodeId, log },
    pace: paceAmong(reportIntervalMs),
  });
  const reports = new NodeReporter({
    place: new FamfsNodeObject(client, nodeId),
    // What a deleted volume left is zeroed as soon as no node has the volume any more.
    onPublished: () => maker.look(),
    ...{ mounter, driverVersion, intervalMs: reportIntervalMs, log },
  });
  const formatter = new PoolFormatter({
    format: async (order, signal) => (await mounter.calls.formatDevice(order, { signal })).poolUuid,
    release: async (poolUuid, hold, signal) => {
      await mounter.calls.releasePool({ poolUuid, hold }, { signal, timeoutMs: releaseTimeoutMs });
    },
    present: {
      pool: (name, signal) => client.get<FamfsPool>(famfsPools, name, { signal }),
      nodes: async (signal) => (await client.list<FamfsNode>(famfsNodes, { signal })).items,
      hasNode: async (name, signal) => (await client.get(nodes, name, { signal })) !== undefined,
    },
    ...{ pools, reports, mounter, node: nodeId, log },
  });
  let isAway = false;
  mounter.onChange(() => {
    const { problem } = mounter.view;
    if (isAway && problem === undefined) maker.retryNow();
    isAway = problem !== undefined;
  });
  return {
    api: {
      requests: () => client.requests.all(),
      lastSeenMs: () => Object.fromEntries([volumes, pools].map((cache) => [cache.kind, cache.lastSeenMs])),
    },
    start: () => {
      for (const part of [volumes, pools, reports, formatter, maker]) part.start();
    },
    stop: async () => {
      await Promise.all([maker, formatter].map((part) => part.stop()));
      await Promise.all([reports, pools, volumes].map((part) => part.stop()));
      client.close();
    },
  };
}

async function startObserving(
  config: AgentConfig,
  mounter: MounterClient,
  api: ApiFigures,
  logger: Logger,
): Promise<ObserveServer | undefined> {
  if (config.metricsAddress === undefined) return undefined;
  const metrics = new Metrics({ role: 'agent', version: driverVersion });
  metrics.addProcessMetrics();
  addApiMetrics(metrics.registry, api);
  return await startHttpServer({
    ...config.metricsAddress,
    ...{ metrics, logger },
    healthy: () => [],
    ready: () => {
      const { problem } = mounter.view;
      return problem === undefined ? [] : [problem.message];
    },
  });
}
