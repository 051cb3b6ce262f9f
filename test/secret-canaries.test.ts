// Secrets stay secret: marks in every secret field of every call of CSI, under keys that tokens come under, and in the
// metadata of calls, are looked for in everything that the driver writes or answers.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';
import { type ControllerServiceOptions, controllerHandlers } from '../src/csi/controller-service.ts';
import description from '../src/csi/generated/csi.js';
import { controllerService } from '../src/csi/protocol.ts';
import { DriverError } from '../src/errors.ts';
import { runCommand } from '../src/linux/child-process.ts';
import { createLogger } from '../src/observe/logger.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { serviceType } from '../src/rpc/codec.ts';
import { RpcServer } from '../src/rpc/server.ts';
import { freePort } from '../tools/free-ports.ts';
import { DriverProcess, sourceProgram } from './driver-process.ts';
import { FakeMounter, poolA } from './fake-mounter.ts';
import {
  type FilledRequest,
  filledRequests,
  requestShapes,
  secretFieldsOf,
  servicesOf,
} from './filled-requests.ts';
import { target } from './served-csi.ts';
import { waitUntil } from './wait-until.ts';

const root = protobuf.Root.fromJSON(description);
const mark = 'Canary7f3aB';
const proto = path.join(path.dirname(import.meta.dirname), 'proto/csi.proto');

/** Lets publishes and their kin get as far as the mounter. */
const known = {
  volumeId: 'vol-1',
  name: 'vol-1',
  targetPath: target,
  volumePath: target,
  volumePublishPath: target,
  volumeContext: { pool: poolA, path: 'models/llama' },
  volumeCapability: { mount: {}, accessMode: { mode: 3 } },
  volumeCapabilities: { mount: {}, accessMode: { mode: 3 } },
  stagingTargetPath: '/var/lib/kubelet/staging',
};

/** Where a text gives the mark away, in the ways in which bytes get written. */
function findMark(text: string): string | undefined {
  const encoded = (encoding: BufferEncoding): string => Buffer.from(mark).toString(encoding);
  // Base64 of a longer text holds other letters at its edges, so only the middle is looked for.
  const forms = [mark, encoded('hex'), encoded('base64').slice(1, -4), [...Buffer.from(mark)].join(',')];
  const form = forms.find((each) => text.includes(each));
  return form === undefined ? undefined : text.slice(Math.max(0, text.indexOf(form) - 300)).slice(0, 600);
}

/** Sends bytes as a call, with marks in its metadata, and returns all that comes back. */
function call(
  client: Client,
  { path: method, bytes, method: { responseStream } }: FilledRequest,
): Promise<string> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${mark}`);
  metadata.set('x-token-bin', Buffer.from(mark));
  const { promise, resolve } = Promise.withResolvers<string>();
  const told = (error: ServiceError | null, answer?: Buffer): void =>
    resolve(
      `${error?.code} ${error?.details} ${JSON.stringify(error?.metadata ?? '')} ${answer?.toString('latin1')}`,
    );
  const raw = (buffer: Buffer): Buffer => buffer;
  const options = { deadline: Date.now() + 90_000 };
  if (responseStream !== true) {
    client.makeUnaryRequest(method, raw, raw, bytes, metadata, options, told);
    return promise;
  }
  const stream = client.makeServerStreamRequest(method, raw, raw, bytes, metadata, options);
  stream
    .on('data', () => undefined)
    .on('error', told)
    .on('end', () => told(null));
  return promise;
}

/** All requests, in all shapes; and each cut short and with bytes that are no text. */
function allRequests(services: readonly string[]): FilledRequest[] {
  return requestShapes
    .flatMap((shape) => filledRequests(root, mark, shape, known))
    .filter(({ service }) => services.includes(service))
    .flatMap((request) => {
      const { bytes } = request;
      const notText = Buffer.from(bytes);
      const at = notText.lastIndexOf(mark);
      if (at !== -1) notText[at + mark.length - 1] = 0xff;
      return [request, { ...request, bytes: bytes.subarray(0, -3) }, { ...request, bytes: notText }];
    });
}

describe('a mark in every secret field', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'canary-'));
  after(() => rmSync(folder, { recursive: true }));

  it('is in as many fields as the protocol marks, and in what is sent', () => {
    const marked = readFileSync(proto, 'utf8').match(/\(csi_secret\) = true/g)?.length ?? 0;
    assert.ok(marked > 10);
    assert.equal(secretFieldsOf(root).length, marked);
    const withSecret = new Set(secretFieldsOf(root).map((name) => name.split('.')[0]));
    for (const { method, bytes } of filledRequests(root, mark, 'plain', known)) {
      if (withSecret.has(method.resolvedRequestType?.name ?? ''))
        assert.ok(bytes.includes(mark), method.name);
    }
  });

  it('stays out of logs, answers and metrics of every call of CSI, offered or not, whatever becomes of it', async () => {
    for (const format of ['json', 'text'] as const) {
      const surprise = new Error('a surprise', { cause: new DriverError('internal', 'its cause') });
      const { text, sent } = await serveAndCall(format, async () => Promise.reject(surprise));
      assert.equal(findMark(text), undefined);
      assert.ok(text.includes('a surprise') && text.includes('(withheld)') && sent > 100, `${sent} calls`);
    }
  });

  it('is found when a handler gives it away', async () => {
    const { text } = await serveAndCall('json', async (request) =>
      Promise.reject(new DriverError('internal', JSON.stringify(request))),
    );
    assert.notEqual(findMark(text), undefined);
  });

  it('stays out of what the Controller service says', async () => {
    const absent: object = new Proxy({}, { get: () => () => Promise.reject(new Error('nothing is there')) });
    const parts = { provisioner: absent, records: absent, pools: absent } as ControllerServiceOptions;
    const { text } = await serveAndCall('json', undefined, (server) =>
      server.addService(controllerService, controllerHandlers(parts)),
    );
    assert.equal(findMark(text), undefined);
    assert.match(text, /nothing is there/);
  });

  /** Calls everything that a server of the given handlers serves; all that was logged, answered and counted. */
  async function serveAndCall(
    format: 'json' | 'text',
    handler: ((request: object) => Promise<object>) | undefined,
    add?: (server: RpcServer) => void,
  ): Promise<{ text: string; sent: number }> {
    let text = '';
    const stream = new PassThrough().on('data', (chunk) => {
      text += chunk;
    });
    const metrics = new Metrics({ role: 'test', version: '1' });
    const logger = createLogger({ level: 'debug', format, stream });
    const server = new RpcServer({ name: 'csi', logger, metrics });
    const services =
      add === undefined ? servicesOf(root).map(({ fullName }) => fullName.slice(1)) : ['csi.v1.Controller'];
    add?.(server);
    for (const service of add === undefined ? services : []) {
      const type = serviceType<Record<string, never>>(description, service);
      const handlers = Object.entries<{ responseStream: boolean }>(type.methods).map(
        ([name, { responseStream }]) => {
          const answer = (request: object) => handler?.(request) ?? Promise.resolve({});
          return [
            name,
            responseStream
              ? async function* (request: object) {
                  yield await answer(request);
                }
              : answer,
          ];
        },
      );
      server.addService(type, Object.fromEntries(handlers));
    }
    const socket = path.join(folder, 's/csi.sock');
    await server.listen(socket);
    const client = new Client(`unix:${socket}`, credentials.createInsecure());
    try {
      const requests = allRequests(services);
      const said = await Promise.all(requests.map((request) => call(client, request)));
      const figures = await metrics.registry.metrics();
      return { text: [text, ...said, figures].join('\n'), sent: requests.length };
    } finally {
      client.close();
      await server.drain(0);
    }
  }
});

describe('a mark in what kubelet sends to the node plugin', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'canary-'));
  const fake = new FakeMounter();
  const mounterSocket = path.join(folder, 'mounter/m.sock');
  const csiSocket = path.join(folder, 'csi/csi.sock');
  let metricsPort = 0;
  let plugin: DriverProcess;

  before(async () => {
    await fake.listen(mounterSocket);
    metricsPort = await freePort();
    const flags = {
      ...{
        'node-id': 'n',
        'csi-socket': csiSocket,
        'mounter-socket': mounterSocket,
        'skip-registration': 'true',
      },
      ...{ 'log-level': 'debug', 'metrics-address': `127.0.0.1:${metricsPort}` },
    };
    const options = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    plugin = new DriverProcess({
      argv: [...sourceProgram, 'node', ...options],
      logPath: path.join(folder, 'log'),
    });
    await waitUntil('the plugin serves', () => plugin.log.includes('node plugin started'));
  });
  after(async () => {
    await plugin.stop();
    await fake.stop();
    rmSync(folder, { recursive: true });
  });

  it('stays out of log, answers, metrics, state, the mounter, and what it leaves when it is killed', async () => {
    const client = new Client(`unix:${csiSocket}`, credentials.createInsecure());
    let answers = '';
    try {
      for (const failure of [undefined, 'internal', 'pool-dead'] as const) {
        if (failure !== undefined) fake.failures.set('bind', failure);
        const requests = allRequests(['csi.v1.Identity', 'csi.v1.Node', 'csi.v1.Controller']);
        answers += (await Promise.all(requests.map((request) => call(client, request)))).join('\n');
      }
    } finally {
      client.close();
    }
    const bound = JSON.stringify([...fake.binds.values()], (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    const pages = await Promise.all(
      ['metrics', 'healthz', 'readyz'].map(async (page) =>
        (await fetch(`http://127.0.0.1:${metricsPort}/${page}`)).text(),
      ),
    );
    const [file = '', ...program] = sourceProgram;
    const state = await runCommand(file, [
      ...program,
      'state',
      '--json',
      `--mounter-socket=${mounterSocket}`,
    ]);
    const help = await runCommand(file, [...program, 'node', '--help']);
    process.kill(plugin.pid, 'SIGABRT');
    await plugin.ended;
    assert.ok((fake.calls.get('bind') ?? 0) > 0, 'publishes got as far as the mounter');
    assert.match(pages[0] ?? '', /famfs_csi_operations_seconds/);
    assert.match(plugin.log, /withheld/);
    for (const [where, text] of Object.entries({
      ...{ log: plugin.log, answers, bound, pages: pages.join('\n'), state: state.stdout + state.stderr },
      ...{ help: help.stdout, files: contentsOf(folder) },
    }))
      assert.equal(findMark(text), undefined, where);
  });
});

/** Every regular file below a folder, as text. */
function contentsOf(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name}\n${readFileSync(path.join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n');
}
