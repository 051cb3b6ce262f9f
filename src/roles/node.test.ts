// The node plugin as a process of its own: what a kubelet and a mounter see of it from start to end.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeMounter, phases, poolA } from '../../test/fake-mounter.ts';
import { capability, codeOf, target } from '../../test/served-csi.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { identityService, nodeService } from '../csi/protocol.ts';
import { createClient } from '../rpc/client.ts';

const program = path.join(import.meta.dirname, '../main.ts');

let folder: string;
let fake: FakeMounter;
let plugin: ChildProcess;
let output: string;
let csiSocket: string;
let registrationSocket: string;
const closing: (() => void)[] = [];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'node-role-'));
  csiSocket = path.join(folder, 'plugins/csi.famfs.io/csi.sock');
  registrationSocket = path.join(folder, 'plugins_registry/csi.famfs.io-reg.sock');
  mkdirSync(path.join(folder, 'plugins_registry'), { mode: 0o750 });
  fake = new FakeMounter();
  await fake.listen(path.join(folder, 'mounter.sock'));
});

afterEach(async () => {
  for (const close of closing.splice(0)) close();
  if (plugin.exitCode === null && plugin.signalCode === null) {
    plugin.kill('SIGKILL');
    await once(plugin, 'exit');
  }
  await fake.stop();
  rmSync(folder, { recursive: true });
});

function start(...more: string[]): void {
  output = '';
  const argv = [program, 'node', '--node-id=n1', `--kubelet-dir=${folder}`, '--topology-settle=20ms'];
  plugin = spawn(process.execPath, [
    ...argv,
    `--mounter-socket=${path.join(folder, 'mounter.sock')}`,
    ...more,
  ]);
  plugin.stderr?.on('data', (chunk) => {
    output += chunk;
  });
}

function clients() {
  const options = { name: 'csi', unavailableReason: 'internal' } as const;
  const node = createClient(nodeService, csiSocket, options);
  const identity = createClient(identityService, csiSocket, options);
  closing.push(
    () => node.close(),
    () => identity.close(),
  );
  return { node: node.calls, identity: identity.calls };
}

async function registered(): Promise<void> {
  await waitUntil('the plugin registers', () => existsSync(registrationSocket)).catch((error) => {
    throw new Error(`${error.message}; the plugin said: ${output}`);
  });
}

describe('the node plugin', () => {
  const boundTo = { poolUuid: poolA, path: 'models/llama', writable: false, mountId: 7n };
  const request = {
    volumeId: 'vol-1',
    targetPath: target,
    volumeCapability: capability(),
    volumeContext: { pool: poolA, path: 'models/llama' },
  };

  it('serves, registers, never loads what can mount, finishes a running call at SIGTERM and cleans up', async () => {
    start('--metrics-address=127.0.0.1:0');
    await registered();
    assert.equal(statSync(csiSocket).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(csiSocket)).mode & 0o777, 0o700);
    const { node, identity } = clients();
    assert.equal((await identity.probe({})).ready?.value, true);
    assert.equal((await node.nodeGetInfo({})).nodeId, 'n1');
    assert.doesNotMatch(readFileSync(`/proc/${plugin.pid}/maps`, 'utf8'), /koffi/);

    const port = Number(/"serving metrics".*?"port":(\d+)|"port":(\d+)/.exec(output)?.slice(1).find(Boolean));
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    assert.equal(await ready.text(), 'ok\n');

    const release = Promise.withResolvers<void>();
    fake.gate = () => release.promise;
    const running = codeOf(node.nodePublishVolume(request));
    await waitUntil('the call waits in the mounter', () => fake.calls.get('bind') === 1);
    plugin.kill('SIGTERM');
    await waitUntil('the registration is taken away', () => !existsSync(registrationSocket));
    const exit = once(plugin, 'exit');
    release.resolve();
    assert.equal(await running, 'OK');
    assert.deepEqual(await exit, [0, null]);
    assert.equal(existsSync(csiSocket), false);
    assert.equal(fake.binds.size, 1, 'what is published stays');
  });

  it('finishes every call that can be under way at SIGTERM, and refuses those that come later', async () => {
    start();
    await registered();
    const { node, identity } = clients();
    await node.nodePublishVolume(request);
    const release = Promise.withResolvers<void>();
    fake.gate = () => release.promise;
    const second = { volumeId: 'vol-2', volumePath: `${target}-2`, volumePublishPath: `${target}-2` };
    fake.binds.set(second.volumePath, { ...second, target: second.volumePath, ...boundTo });
    const running = {
      bind: node.nodePublishVolume({ ...request, volumeId: 'vol-3', targetPath: `${target}-3` }),
      unbind: node.nodeUnpublishVolume({ volumeId: 'vol-1', targetPath: target }),
      stats: node.nodeGetVolumeStats(second),
      health: node.nodeGetVolumeHealth(second),
    };
    await waitUntil('all of them wait in the mounter', () => {
      const waiting = ['bind', 'unbind', 'listBinds'].map((verb) => fake.calls.get(verb) ?? 0);
      return waiting.join() === '2,1,2';
    });
    const exit = once(plugin, 'exit');
    plugin.kill('SIGTERM');
    await waitUntil(
      'new calls are refused',
      async () => (await codeOf(identity.probe({}))) === 'UNAVAILABLE',
    );
    release.resolve();
    for (const [name, call] of Object.entries(running)) assert.equal(await codeOf(call), 'OK', name);
    assert.deepEqual(await exit, [0, null]);
    assert.deepEqual([...fake.binds.keys()].sort(), [second.volumePath, `${target}-3`]);
  });

  it('starts again where it was killed, and registers again when a pool comes', async () => {
    start();
    await registered();
    plugin.kill('SIGKILL');
    await once(plugin, 'exit');
    assert.ok(existsSync(csiSocket), 'the socket was left behind');
    start();
    const { node } = clients();
    await waitUntil(
      'the plugin answers',
      async () => (await codeOf(node.nodePublishVolume(request))) === 'OK',
    );
    await waitUntil('the plugin has registered', () =>
      /"listening".*reg\.sock|reg\.sock.*"listening"/.test(output),
    );
    const before = statSync(registrationSocket, { bigint: true }).ctimeNs;
    fake.report({ settled: true, pools: [{ uuid: poolA, phase: phases.POOL_PHASE_READY }] });
    await waitUntil('the plugin registers again', () => {
      const now = statSync(registrationSocket, { bigint: true, throwIfNoEntry: false });
      return now !== undefined && now.ctimeNs !== before;
    });
  });

  it('tells all mistakes of its configuration and ends with status 2', async () => {
    start('--log-level=loud', '--nod');
    const [status] = await once(plugin, 'close');
    assert.equal(status, 2);
    assert.match(output, /holds 2 mistakes/);
    assert.match(output, /--log-level is one of/);
    assert.match(output, /--nod is not an option/);
  });

  it('ends with status 1 and the reason when its socket is taken', async () => {
    mkdirSync(csiSocket, { recursive: true });
    start();
    const [status] = await once(plugin, 'close');
    assert.equal(status, 1);
    assert.match(output, /socket-refused/);
  });
});
