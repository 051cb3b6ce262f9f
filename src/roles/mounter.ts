// Composition root of the mounter: reads the configuration, builds the parts, serves until told to stop.
import { readConfig } from '../config/options.ts';
import { mounterRole } from '../config.ts';
import { nameEffectRole } from '../linux/effect-point.ts';
import { leaveNetwork } from '../linux/network-namespace.ts';
import type { Mounter } from '../mounter/mounter.ts';
import { mounterHandlers, mounterService } from '../mounter/service.ts';
import { switchDebugBySignal } from '../observe/debug-signal.ts';
import { startHttpServer } from '../observe/http-server.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { FrameServer } from '../rpc/frame-server.ts';
import { driverVersion } from '../version.ts';
import { buildMounter } from './mounter-parts.ts';
import { keepHeapSmall } from './small-heap.ts';
import { stopSignal } from './stop-signal.ts';

/** Runs the mounter until SIGTERM or SIGINT. Mounts, binds and daemons outlive it. */
export async function runMounter(argv: readonly string[]): Promise<void> {
  nameEffectRole('mounter');
  const config = readConfig(mounterRole, argv, process.env);
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    fields: { role: 'mounter' },
  });
  // Sockets are made private one by one; nothing of ours is for others in the moment before.
  process.umask(0o077);
  switchDebugBySignal(logger);
  const metrics = new Metrics({ role: 'mounter', version: driverVersion });
  const mounter = buildMounter(config, logger);
  const http =
    config.metricsAddress &&
    (await startHttpServer({ ...config.metricsAddress, metrics, logger, ...checksOf(mounter) }));
  leaveNetworkIfAllowed(logger);
  const server = new FrameServer({
    name: 'mounter',
    logger,
    metrics,
    quietMethods: ['GetState', 'WatchState', 'Bind', 'Unbind', 'ListBinds'],
  });
  server.addService(mounterService, mounterHandlers(mounter));
  await server.listen(config.socket, { makeFolderPrivate: true });
  mounter.start();
  keepHeapSmall();
  logger.info('mounter started', { version: driverVersion });
  await stopSignal();
  logger.info('mounter stopping');
  await server.drain(config.drainTimeoutMs);
  await mounter.close();
  await http?.close();
  process.exit(0);
}

function checksOf(mounter: Mounter) {
  return {
    healthy: () => [],
    ready: () => mounter.state().problems.map(({ message }) => message),
  };
}

function leaveNetworkIfAllowed(logger: Logger): void {
  try {
    leaveNetwork();
  } catch (error) {
    logger.warn('the mounter stays in its network namespace', { error });
  }
}
