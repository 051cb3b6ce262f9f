import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { silentLogger } from '../observe/logger.ts';
import { createClient } from '../rpc/client.ts';
import { serviceType } from '../rpc/codec.ts';
import root, { type pluginregistration } from './generated/registration.js';
import { KubeletRegistration } from './registration.ts';
import { type Registrar, TopologyRegistration } from './topology-registration.ts';

const service = serviceType<pluginregistration.Registration>(root, 'pluginregistration.Registration');

describe('the registration', () => {
  let folder: string;
  let registration: KubeletRegistration;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'kubelet-'));
    registration = new KubeletRegistration({
      registrationDir: path.join(folder, 'plugins_registry'),
      driverName: 'csi.famfs.io',
      endpoint: '/var/lib/kubelet/plugins/csi.famfs.io/csi.sock',
      logger: silentLogger,
    });
    mkdirSync(path.join(folder, 'plugins_registry'), { mode: 0o750 });
  });
  afterEach(async () => {
    await registration.stop();
    rmSync(folder, { recursive: true });
  });

  it('tells kubelet what it asks and hears how it went', async () => {
    await registration.start();
    assert.equal(path.basename(registration.socketPath), 'csi.famfs.io-reg.sock');
    const kubelet = createClient(service, registration.socketPath, {
      name: 'plugin',
      unavailableReason: 'internal',
    });
    try {
      assert.deepEqual(await kubelet.calls.getInfo({}), {
        type: 'CSIPlugin',
        name: 'csi.famfs.io',
        endpoint: '/var/lib/kubelet/plugins/csi.famfs.io/csi.sock',
        supportedVersions: ['1.0.0'],
      });
      assert.equal(registration.status, undefined);
      await kubelet.calls.notifyRegistrationStatus({ pluginRegistered: false, error: 'no' });
      assert.deepEqual(registration.status, { registered: false, error: 'no' });
      await kubelet.calls.notifyRegistrationStatus({ pluginRegistered: true });
      assert.deepEqual(registration.status, { registered: true, error: '' });
    } finally {
      kubelet.close();
    }
  });

  it('comes back on a new socket when it is renewed, and goes when it stops', async () => {
    await registration.start();
    await registration.renew();
    assert.ok(existsSync(registration.socketPath));
    await registration.stop();
    assert.equal(existsSync(registration.socketPath), false);
    await registration.stop();
  });
});

describe('registering the topology', () => {
  const settleMs = 5000;
  let done: string[];
  let keys: string[] | undefined;
  let inFlight: number;
  let failing: boolean;
  let topology: TopologyRegistration;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    done = [];
    keys = undefined;
    inFlight = 0;
    failing = false;
    const note = async (what: string): Promise<void> => {
      if (failing) throw new Error('cannot');
      done.push(`${what} ${keys?.join()}`);
    };
    const registrar: Registrar = {
      start: () => note('start'),
      renew: () => note('renew'),
      stop: async () => void done.push('stop'),
    };
    topology = new TopologyRegistration({
      registrar,
      keys: () => keys,
      callsInFlight: () => inFlight,
      settleMs,
      logger: silentLogger,
    });
  });
  afterEach(async () => {
    await topology.stop();
    mock.timers.reset();
  });

  /** Lets time pass, and everything happen that is due. */
  async function pass(milliseconds: number): Promise<void> {
    mock.timers.tick(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The topology becomes this, and somebody notices. */
  function become(now: string[] | undefined): void {
    keys = now;
    topology.check();
  }

  it('waits until it is known, then happens at once, and once', async () => {
    become(undefined);
    await pass(10 * settleMs);
    assert.deepEqual(done, []);
    become(['a']);
    become(['a']);
    await pass(0);
    become(['a']);
    await pass(10 * settleMs);
    assert.deepEqual(done, ['start a']);
  });

  it('happens again after a change that stays, not after one that goes back', async () => {
    become(['a']);
    await pass(0);
    become(['a', 'b']);
    await pass(settleMs - 1);
    become(['a']);
    await pass(10 * settleMs);
    assert.deepEqual(done, ['start a']);
    become(['a', 'b']);
    await pass(settleMs - 1);
    become(['a', 'c']);
    await pass(settleMs - 1);
    assert.deepEqual(done, ['start a']);
    await pass(1);
    assert.deepEqual(done, ['start a', 'renew a,c']);
  });

  it('waits for running calls before it interrupts them', async () => {
    become(['a']);
    await pass(0);
    inFlight = 1;
    become([]);
    for (let round = 0; round < 100; round++) await pass(settleMs);
    assert.deepEqual(done, ['start a']);
    inFlight = 0;
    await pass(settleMs);
    assert.deepEqual(done, ['start a', 'renew ']);
  });

  it('is tried again when it fails', async () => {
    failing = true;
    become(['a']);
    await pass(0);
    await pass(60_000);
    failing = false;
    await pass(60_000);
    assert.deepEqual(done, ['start a']);
  });

  it('does nothing more once it is stopped', async () => {
    become(['a']);
    await topology.stop();
    become(['a', 'b']);
    await pass(10 * settleMs);
    assert.deepEqual(done, ['stop']);
  });
});
