// Publishing as kubelet does it: through the node plugin's CSI socket.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { accessModes } from '../src/csi/protocol.ts';
import type { Pool } from '../src/mounter/client.ts';
import { heading, line } from './screen.ts';
import type { SimulatedHost } from './simulated-host.ts';

/** The directory of the pool that is published. */
export const prefix = 'demo';

export interface Published {
  readonly host: SimulatedHost;
  readonly target: string;
  readonly latencyMs: number;
}

/** NodePublishVolume for every pod, nodes in turn. */
export async function publish(
  hosts: readonly SimulatedHost[],
  pool: Pool,
  podCount: number,
): Promise<Published[]> {
  heading('Publishing, as kubelet does (CSI NodePublishVolume)');
  const published: Published[] = [];
  for (let index = 0; index < podCount; index++) {
    const host = hosts[index % hosts.length];
    if (host === undefined) throw new Error('no node');
    const target = targetOf(host, `pod-${index + 1}`);
    published.push({ host, target, latencyMs: await publishOnce(host, pool, target) });
  }
  line(
    `${published.length} pods, each with ${prefix}/ of the pool read-only; node-2 and on replayed the log when they were first asked`,
  );
  return published;
}

export function targetOf(host: SimulatedHost, pod: string): string {
  const folder = path.join(host.places.kubeletDir, 'pods', pod, 'volumes/kubernetes.io~csi/demo');
  mkdirSync(folder, { recursive: true });
  return path.join(folder, 'mount');
}

export async function publishOnce(host: SimulatedHost, pool: Pool, target: string): Promise<number> {
  const startedAt = performance.now();
  await host.csi.nodePublishVolume({
    volumeId: 'demo-volume',
    targetPath: target,
    readonly: true,
    volumeCapability: { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_READER_ONLY } },
    volumeContext: { pool: pool.uuid, path: prefix },
  });
  return performance.now() - startedAt;
}

export async function unpublishOnce(host: SimulatedHost, target: string): Promise<void> {
  await host.csi.nodeUnpublishVolume({ volumeId: 'demo-volume', targetPath: target });
}
