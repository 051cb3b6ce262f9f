// The CSI services of the node on a real socket, with a fake mounter behind them: for tests of src/csi.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import type { csi } from '../src/csi/generated/csi.js';
import { identityHandlers } from '../src/csi/identity-service.ts';
import { nodeHandlers } from '../src/csi/node-service.ts';
import {
  accessModes,
  type IdentityService,
  identityService,
  type NodeService,
  nodeService,
} from '../src/csi/protocol.ts';
import { probe } from '../src/csi/readiness.ts';
import { MounterClient } from '../src/mounter/client.ts';
import { createLogger, silentLogger } from '../src/observe/logger.ts';
import { type CallOptions, createClient, type RpcClient } from '../src/rpc/client.ts';
import type { Encodable } from '../src/rpc/codec.ts';
import { RpcServer } from '../src/rpc/server.ts';
import { FakeMounter, poolA } from './fake-mounter.ts';
import { waitUntil } from './wait-until.ts';

export type PublishRequest = Encodable<csi.v1.NodePublishVolumeRequest>;
export type ModeName = keyof typeof accessModes;

export const target = '/var/lib/kubelet/pods/p1/volumes/kubernetes.io~csi/pv1/mount';

/** A mount capability of an access mode. */
export function capability(mode: ModeName = 'MULTI_NODE_READER_ONLY', mountFlags: string[] = []) {
  return { mount: { mountFlags }, accessMode: { mode: accessModes[mode] } };
}

/** Everything between a CSI caller and the mounter's model. Open one for each test, and close it. */
export class ServedCsi {
  readonly fake = new FakeMounter();
  readonly node: RpcClient<NodeService>['calls'];
  readonly identity: RpcClient<IdentityService>['calls'];
  readonly mounter: MounterClient;
  /** All that was logged, at debug. */
  logged = '';
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'csi-'));
  readonly #mounterSocket = path.join(this.#folder, 'mounter.sock');
  readonly #csiSocket = path.join(this.#folder, 'csi.sock');
  readonly #server: RpcServer;
  readonly #clients: { close(): void }[] = [];

  constructor() {
    const stream = new PassThrough();
    stream.on('data', (chunk) => {
      this.logged += chunk;
    });
    const logger = createLogger({ level: 'debug', format: 'json', stream });
    this.mounter = new MounterClient({ address: this.#mounterSocket, logger: silentLogger });
    this.#server = new RpcServer({ name: 'csi', logger });
    this.#server.addService(nodeService, nodeHandlers({ nodeId: 'node-1', mounter: this.mounter }));
    const identity = identityHandlers({
      driverName: 'csi.famfs.io',
      version: '1.2.3',
      probe: () => probe(this.mounter.view),
    });
    this.#server.addService(identityService, identity);
    const options = { name: 'csi', unavailableReason: 'mounter-unavailable' } as const;
    const nodeClient = createClient(nodeService, this.#csiSocket, options);
    const identityClient = createClient(identityService, this.#csiSocket, options);
    this.#clients.push(nodeClient, identityClient);
    this.node = nodeClient.calls;
    this.identity = identityClient.calls;
  }

  static async open(): Promise<ServedCsi> {
    const served = new ServedCsi();
    await served.fake.listen(served.#mounterSocket);
    await served.#server.listen(served.#csiSocket);
    return served;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#server.drain(0);
    await this.mounter.close();
    await this.fake.stop();
    rmSync(this.#folder, { recursive: true });
  }

  /** Follows the mounter's state and waits for its first report. */
  async follow(): Promise<void> {
    this.mounter.start();
    await waitUntil('the mounter reported', () => this.mounter.view.state !== undefined);
  }

  /** Publishes a good volume, changed as the test wants it. */
  publish(changes: PublishRequest = {}, options: CallOptions = {}): Promise<unknown> {
    const request = {
      volumeId: 'vol-1',
      targetPath: target,
      volumeCapability: capability(),
      volumeContext: { pool: poolA, path: 'models/llama' },
      ...changes,
    };
    return this.node.nodePublishVolume(request, options);
  }

  unpublish(volumeId = 'vol-1', targetPath = target): Promise<unknown> {
    return this.node.nodeUnpublishVolume({ volumeId, targetPath });
  }
}

const codeNames = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE'],
  ...['UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

/** The gRPC code, by name, and the message a call ends with. */
export async function outcomeOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call;
    return { code: 'OK', message: '' };
  } catch (error) {
    assert.ok(error instanceof Error);
    const { code, details } = error.cause as { code: number; details: string };
    return { code: codeNames[code] ?? String(code), message: details };
  }
}

/** The gRPC code a call ends with, by name. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return (await outcomeOf(call)).code;
}
