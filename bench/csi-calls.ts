// Calls of this very process to a CSI node server that may not be there yet, to learn when it is.
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { accessModes, identityService, nodeService } from '../src/csi/protocol.ts';
import { createClient } from '../src/rpc/client.ts';

const pollMs = 1;
const patienceMs = 60_000;
const clientOptions = { name: 'the node plugin', unavailableReason: 'mounter-unavailable' } as const;

/** A client of the node plugin at a socket; whoever asks for it closes it. */
export function nodeClient(socket: string) {
  return createClient(nodeService, socket, clientOptions);
}

/** Waits for a server on the socket and for its answer to Probe, whatever that is. */
export async function probeWhenServed(socket: string): Promise<void> {
  await untilConnected(socket);
  const client = createClient(identityService, socket, clientOptions);
  try {
    await client.calls.probe({}, { timeoutMs: patienceMs });
  } finally {
    client.close();
  }
}

/**
 * Publishes a volume at a fresh target, again and again until it is published, then unpublishes it.
 * @returns performance.now() of when it was published
 */
export async function publishWhenServed(
  socket: string,
  volumeContext: Readonly<Record<string, string>>,
  target: string,
): Promise<number> {
  const request = publishRequest(volumeContext, target);
  const { volumeId } = request;
  await untilConnected(socket);
  const client = nodeClient(socket);
  try {
    await insist(() => client.calls.nodePublishVolume(request, { timeoutMs: patienceMs }));
    const publishedAtMs = performance.now();
    await client.calls.nodeUnpublishVolume({ volumeId, targetPath: target }, { timeoutMs: patienceMs });
    return publishedAtMs;
  } finally {
    client.close();
  }
}

/** Asks for a read-only publish at a target, under a volume id of its own. */
export function publishRequest(volumeContext: Readonly<Record<string, string>>, target: string) {
  const volumeId = `bench-${path.basename(target)}`;
  const mode = accessModes.MULTI_NODE_READER_ONLY;
  const volumeCapability = { mount: { mountFlags: [] }, accessMode: { mode } };
  return { volumeId, targetPath: target, readonly: true, volumeCapability, volumeContext };
}

async function untilConnected(socket: string): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await takesConnections(socket))) {
    if (performance.now() > deadlineMs) throw new Error(`nobody listens on ${socket} after ${patienceMs} ms`);
    await delay(pollMs);
  }
}

async function takesConnections(socket: string): Promise<boolean> {
  const connection = net.connect(socket);
  try {
    await once(connection, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    connection.destroy();
  }
}

/** Calls until it succeeds, as kubelet does, but without kubelet's pauses. */
async function insist(call: () => Promise<unknown>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await delay(pollMs);
    }
  }
}
