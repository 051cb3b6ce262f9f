// Composition root of the controller: serves CSI to the provisioner out of what the API server says, and looks after the objects
// of famfs.io while it holds the Lease. Keeps nothing: another replica goes on from the same objects.
import { readConfig } from '../config/options.ts';
import { type ControllerConfig, controllerRole, driverName } from '../config.ts';
import { controllerHandlers } from '../csi/controller-service.ts';
import { identityHandlers } from '../csi/identity-service.ts';
import { controllerService, identityService } from '../csi/protocol.ts';
import type { Reason } from '../errors.ts';
import { ApiClient } from '../kubernetes/api-client.ts';
import { ClusterCaches } from '../kubernetes/cluster-caches.ts';
import { clusterFigures } from '../kubernetes/cluster-figures.ts';
import { ClusterPools } from '../kubernetes/cluster-pools.ts';
import { conditionReason } from '../kubernetes/conditions.ts';
import { EventRecorder } from '../kubernetes/event-recorder.ts';
import { KubeAccess } from '../kubernetes/kube-access.ts';
import { Leading, type LedPart } from '../kubernetes/leading.ts';
import { LeaderElection } from '../kubernetes/lease.ts';
import { NodeReconciler } from '../kubernetes/node-reconciler.ts';
import { NodeReports } from '../kubernetes/node-reports.ts';
import { holdPool } from '../kubernetes/pool-finalizer.ts';
import { fieldManager, PoolReconciler } from '../kubernetes/pool-reconciler.ts';
import { claimObject } from '../kubernetes/volume-notes.ts';
import { VolumeReconciler } from '../kubernetes/volume-reconciler.ts';
import { KubernetesVolumeRecords } from '../kubernetes/volume-records.ts';
import { nameEffectRole } from '../linux/effect-point.ts';
import { addApiMetrics } from '../observe/api-metrics.ts';
import { addClusterMetrics } from '../observe/cluster-metrics.ts';
import { switchDebugBySignal } from '../observe/debug-signal.ts';
import { type ObserveServer, startHttpServer } from '../observe/http-server.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { RpcServer } from '../rpc/server.ts';
import { driverVersion } from '../version.ts';
import { Provisioner, type VolumeWish } from '../volumes/provisioner.ts';
import type { RecordProblem } from '../volumes/volume-record.ts';
import { keepHeapSmall } from './small-heap.ts';
import { stopSignal } from './stop-signal.ts';

/** Asked by sidecars all the time; their lines would bury the others. */
const quietMethods = [
  'Probe',
  'GetPluginInfo',
  'GetPluginCapabilities',
  'ControllerGetCapabilities',
  'GetCapacity',
];

/** Nothing that the owner of a claim has to know: the same call again goes on. */
const passingRefusals: ReadonlySet<Reason> = new Set([
  ...(['operation-pending', 'record-conflict', 'api-unavailable', 'resource-exhausted'] as const),
  ...(['shutting-down', 'deadline-exceeded', 'cancelled'] as const),
]);

/** Agents report within a second of a change; what they wrote then has to come back through the watch. */
const reportDelayMs = 3_000;

/** Runs the controller until SIGTERM or SIGINT. Volumes that are being made are made all the same. */
export async function runController(argv: readonly string[]): Promise<void> {
  nameEffectRole('controller');
  const config = readConfig(controllerRole, argv, process.env);
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    fields: { role: 'controller' },
  });
  process.umask(0o077);
  switchDebugBySignal(logger);
  const metrics = new Metrics({ role: 'controller', version: driverVersion });
  const access = KubeAccess.from({ kubeconfig: config.kubeconfig });
  const client = new ApiClient({ access, userAgent: `famfs-csi-controller/${driverVersion}`, log: logger });
  const caches = new ClusterCaches({ client, log: logger });
  const controller = buildController(config, client, caches, logger, metrics);
  const http = await startObserving(config, client, caches, logger, metrics);
  caches.start();
  await controller.csi.listen(config.csiSocket);
  // Who has not seen everything would say of every pool that no node reports it.
  caches.synced().then(
    () => controller.leading.start(),
    () => undefined,
  );
  keepHeapSmall();
  logger.info('controller started', { version: driverVersion, csiSocket: config.csiSocket });

  const signal = await stopSignal();
  logger.info('controller stopping', { signal });
  await controller.csi.drain(config.drainTimeoutMs);
  await controller.leading.stop();
  await controller.events.stop();
  await caches.stop();
  client.close();
  await http?.close();
  process.exit(0);
}

function buildController(
  { namespace, leaseName }: ControllerConfig,
  client: ApiClient,
  caches: ClusterCaches,
  log: Logger,
  metrics: Metrics,
): { csi: RpcServer; events: EventRecorder; leading: Leading } {
  const { famfsPools, famfsNodes, famfsVolumes, nodes, csiNodes } = caches;
  const records = new KubernetesVolumeRecords({ client, cache: famfsVolumes, log });
  const reports = new NodeReports({ famfsNodes, nodes });
  const nodesSynced = (signal: AbortSignal): Promise<void> => nodes.synced(signal);
  const pools = new ClusterPools({ famfsPools, famfsNodes, reports, nodesSynced });
  const events = new EventRecorder({ client, log, component: fieldManager });
  const onRefusal = ({ claim, name }: VolumeWish, { reason, message }: RecordProblem): void => {
    if (claim === undefined || passingRefusals.has(reason)) return;
    events.record(claimObject(claim, name), { type: 'Warning', reason: conditionReason(reason), message });
  };
  const hold = (uuid: string, signal: AbortSignal): Promise<void> =>
    holdPool({ client, famfsPools }, uuid, signal);
  const provisioner = new Provisioner({ records, pools, reportDelayMs, holdPool: hold, onRefusal });
  const end = (volumeId: string, signal: AbortSignal): Promise<void> => provisioner.delete(volumeId, signal);
  const csi = new RpcServer({ name: 'csi', logger: log, metrics, quietMethods });
  const probe = (): boolean => caches.areSynced;
  csi.addService(identityService, identityHandlers({ driverName, version: driverVersion, probe }));
  csi.addService(controllerService, controllerHandlers({ provisioner, records, pools }));
  const work = (): readonly LedPart[] => [
    new PoolReconciler({ client, famfsPools, reports, records, events, log }),
    new NodeReconciler({ client, nodes, csiNodes, reports, driverName, log }),
    new VolumeReconciler({ famfsVolumes, famfsPools, reports, records, pools, end, events, log }),
  ];
  const elect = (): LeaderElection => new LeaderElection({ client, namespace, name: leaseName, log });
  return { csi, events, leading: new Leading({ elect, work, log }) };
}

async function startObserving(
  config: ControllerConfig,
  client: ApiClient,
  caches: ClusterCaches,
  logger: Logger,
  metrics: Metrics,
): Promise<ObserveServer | undefined> {
  if (config.metricsAddress === undefined) return undefined;
  metrics.addProcessMetrics();
  addApiMetrics(metrics.registry, {
    requests: () => client.requests.all(),
    lastSeenMs: () => caches.lastSeenMs(),
  });
  addClusterMetrics(metrics.registry, clusterFigures(caches));
  return await startHttpServer({
    ...config.metricsAddress,
    ...{ metrics, logger },
    healthy: () => [],
    ready: () => (caches.areSynced ? [] : ['the API server has not told yet what there is']),
  });
}
