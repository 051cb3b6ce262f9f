// The demo's second way: no files are brought, a volume is claimed. It is made and zeroed on the pool's master, written by a
// pod there, read by pods on every node out of the same memory, deleted, and its memory claimed again.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { accessModes } from '../src/csi/protocol.ts';
import { DriverError } from '../src/errors.ts';
import { projectRoot } from '../tools/run-tool.ts';
import type { ClaimPodOrder, ClaimPodReport } from './claim-pod.ts';
import { LineProcess } from './line-process.ts';
import { targetOf } from './publishing.ts';
import { bytesText, heading, line, Progress, table } from './screen.ts';
import { nodeProgram, type SimulatedHost } from './simulated-host.ts';

interface Volume {
  readonly volumeId: string;
  readonly capacityBytes: bigint;
  readonly context: Record<string, string>;
}

/** What an impatient provisioner waits for one answer; the work goes on meanwhile. */
const callTimeoutMs = 400;

export async function runClaim(
  hosts: readonly SimulatedHost[],
  sizeBytes: bigint,
  folder: string,
): Promise<void> {
  const [master] = hosts;
  if (master === undefined) throw new Error('no node');
  const volumePath = path.join(folder, 'volume');
  mkdirSync(volumePath);
  heading(`Claiming ${bytesText(sizeBytes)}: made and zeroed on the master (CSI CreateVolume)`);
  const volume = await claim(master, 'claim-1', sizeBytes);
  line(`${volume.volumeId}: ${volume.context.path}/data, ${bytesText(volume.capacityBytes)}`);

  heading('One pod writes it, a pod on every node reads it: the same memory');
  const rows: string[][] = [];
  const written = await inPod(master, volume, volumePath, 'bytes of the first claim ');
  rows.push(['writer', master.name, 'read-write', bytesText(written.mappedBytes), shown(written.sha256)]);
  for (const [index, host] of hosts.entries()) {
    const read = await inPod(host, volume, volumePath, undefined);
    if (read.sha256 !== written.sha256) throw new Error(`${host.name} sees other bytes than were written`);
    rows.push([
      ...[`reader-${index + 1}`, host.name, 'read-only', bytesText(read.mappedBytes)],
      `${shown(read.sha256)} ✓`,
    ]);
  }
  table(['pod', 'node', 'published', 'mapped', 'SHA-256'], rows);

  heading('Deleting it and claiming again: famfs frees nothing, so the memory is scrubbed and used again');
  await master.controller.deleteVolume({ volumeId: volume.volumeId });
  const again = await claimReused(master, sizeBytes, volume);
  const fresh = await inPod(master, again, volumePath, undefined);
  if (!fresh.isZero) throw new Error('a new volume shows bytes of the old one');
  line(`${again.volumeId}: ${again.context.path}/data again, and every byte of it is zero ✓`);
  await master.controller.deleteVolume({ volumeId: again.volumeId });
}

/** Asks until the answer is there, and shows how far the work is, as the refusals tell it. */
async function claim(master: SimulatedHost, name: string, sizeBytes: bigint): Promise<Volume> {
  const progress = new Progress('zeroing', Number(sizeBytes));
  for (;;) {
    try {
      const { volume } = await master.controller.createVolume(
        {
          name,
          capacityRange: { requiredBytes: sizeBytes },
          volumeCapabilities: [{ mount: {}, accessMode: { mode: accessModes.MULTI_NODE_MULTI_WRITER } }],
        },
        { timeoutMs: callTimeoutMs },
      );
      progress.update(Number(sizeBytes));
      if (volume == null) throw new Error('CreateVolume answered without a volume');
      return {
        volumeId: volume.volumeId,
        capacityBytes: volume.capacityBytes,
        context: volume.volumeContext,
      };
    } catch (error) {
      const isPending =
        error instanceof DriverError &&
        ['operation-pending', 'deadline-exceeded', 'pool-not-ready'].includes(error.reason);
      if (!isPending) throw error;
      const [, done] = /zeroing, (\d+) of/.exec(error.message) ?? [];
      if (done !== undefined) progress.update(Number(done));
    }
  }
}

/** The scrubbing goes on behind DeleteVolume; a claim that comes first would get new memory. */
async function claimReused(master: SimulatedHost, sizeBytes: bigint, former: Volume): Promise<Volume> {
  await master.untilLogged('slot can be used again');
  const again = await claim(master, 'claim-2', sizeBytes);
  if (again.volumeId === former.volumeId) throw new Error('a new volume has the id of a deleted one');
  if (again.context.path !== former.context.path) throw new Error('the scrubbed memory was not used again');
  return again;
}

async function inPod(
  host: SimulatedHost,
  volume: Volume,
  volumePath: string,
  fillWith: string | undefined,
): Promise<ClaimPodReport> {
  const { volumeId, context } = volume;
  const target = targetOf(host, `claim-${fillWith === undefined ? 'reader' : 'writer'}`);
  const isReader = fillWith === undefined;
  await host.csi.nodePublishVolume({
    ...{ volumeId, targetPath: target, readonly: isReader, volumeContext: context },
    volumeCapability: { mount: {}, accessMode: { mode: accessModes.MULTI_NODE_MULTI_WRITER } },
  });
  const order: ClaimPodOrder = { published: target, volumePath, fillWith };
  const pod = new LineProcess(
    host.inside([
      ...['unshare', '--mount', '--propagation', 'slave', '--', ...nodeProgram],
      ...[path.join(projectRoot, 'demo/claim-pod.ts'), JSON.stringify(order)],
    ]),
  );
  const report = await pod.next<ClaimPodReport>();
  await pod.finish();
  await host.csi.nodeUnpublishVolume({ volumeId, targetPath: target });
  if (report === undefined) throw new Error('a pod ended without a word');
  return report;
}

function shown(sha256: string): string {
  return `${sha256.slice(0, 12)}…`;
}
