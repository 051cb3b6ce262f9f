import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeMounter } from '../../test/fake-mounter.ts';
import { waitUntil } from '../../test/wait-until.ts';
import { DriverError } from '../errors.ts';
import { silentLogger } from '../observe/logger.ts';
import { MounterClient } from './client.ts';

describe('the client of the mounter', () => {
  let folder: string;
  let address: string;
  let fake: FakeMounter;
  let client: MounterClient;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'client-'));
    address = path.join(folder, 'm.sock');
    fake = new FakeMounter();
    client = new MounterClient({ address, logger: silentLogger });
  });
  afterEach(async () => {
    await client.close();
    await fake.stop();
    rmSync(folder, { recursive: true });
  });

  it('tells that the mounter is away, and follows its state once it is there', async () => {
    assert.deepEqual(client.view, { state: undefined, problem: undefined });
    client.start();
    await waitUntil('the absence is seen', () => client.view.problem?.reason === 'mounter-unavailable');
    await fake.listen(address);
    await waitUntil('the state is there', () => client.view.state?.settled === true);
    assert.equal(client.view.problem, undefined);
  });

  it('follows every change and calls back', async () => {
    await fake.listen(address);
    const seen: (bigint | undefined)[] = [];
    const unsubscribe = client.onChange(() => seen.push(client.view.state?.revision));
    client.start();
    await waitUntil('the first state came', () => seen.length === 1);
    fake.report({ settled: true, kernelRelease: '6.18' });
    await waitUntil('the change came', () => client.view.state?.kernelRelease === '6.18');
    unsubscribe();
    fake.report({ settled: true, kernelRelease: '6.19' });
    await waitUntil('the next came', () => client.view.state?.kernelRelease === '6.19');
    assert.deepEqual(seen, [1n, 2n]);
  });

  it('keeps the last state while the mounter restarts and finds it again', async () => {
    await fake.listen(address);
    client.start();
    await waitUntil('the state is there', () => client.view.state !== undefined);
    await fake.stop();
    await waitUntil('the absence is seen', () => client.view.problem !== undefined);
    assert.equal(client.view.state?.settled, true);
    await fake.listen(address);
    await waitUntil('it is followed again', () => client.view.problem === undefined);
  });

  it('brings reasons of the mounter through', async () => {
    await fake.listen(address);
    fake.failures.set('stat', 'pool-hung');
    await assert.rejects(client.calls.stat({}), (error) => {
      assert.ok(error instanceof DriverError);
      return error.reason === 'pool-hung';
    });
  });

  it('closes while it waits to try again', async () => {
    client.start();
    await waitUntil('it waits', () => client.view.problem !== undefined);
    await client.close();
  });
});
