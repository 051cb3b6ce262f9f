import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ProvisioningWorld } from '../../test/provisioning-world.ts';
import { describeVolumeRecords, newVolume } from '../../test/volume-records-contract.ts';
import { parseClassParameters } from './class-parameters.ts';
import { FileRecords } from './file-records.ts';
import type { VolumeRecord } from './volume-record.ts';

let world: ProvisioningWorld;
let record: VolumeRecord;
beforeEach(async () => {
  world = new ProvisioningWorld();
  record = await world.provisioner.create(
    {
      name: '__proto__',
      parameters: parseClassParameters({}),
      range: { requiredBytes: 1n, limitBytes: 0n },
      topology: { requisite: undefined, preferred: [] },
      hasWriter: true,
      claim: undefined,
    },
    AbortSignal.timeout(20_000),
  );
});
afterEach(() => world.close());

const file = (): string => path.join(world.folder, 'volumes.json');

describeVolumeRecords('the store of records in a file', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'records-'));
  const open = (): FileRecords => new FileRecords(path.join(folder, 'volumes.json'));
  return {
    records: open(),
    again: async () => open(),
    close: async () => rmSync(folder, { recursive: true }),
  };
});

describe('records in a file', () => {
  it('are the same after the file is read again, whatever they are called', async () => {
    const again = new FileRecords(file());
    assert.partialDeepStrictEqual(record, await again.get('__proto__'));
    assert.equal((await again.list()).length, 1);
    assert.equal(await again.get('constructor'), undefined);
    assert.deepEqual(readdirSync(world.folder), ['volumes.json'], 'nothing temporary is left');
  });

  it('are written only by who has read them', async () => {
    const newer = await world.records.update({ ...record, deleting: true });
    await assert.rejects(world.records.update(record), { reason: 'record-conflict' });
    await assert.rejects(world.records.remove(record), { reason: 'record-conflict' });
    await assert.rejects(world.records.create(record), { reason: 'record-conflict' });
    await world.records.remove(newer);
    await assert.rejects(world.records.update(newer), { reason: 'record-conflict' });
  });

  it('of another kind are refused, not overwritten', () => {
    const line = readFileSync(file(), 'utf8');
    for (const text of ['', '{}', '[1]', '{"format":2}\n', 'null', line.replace('"volumes"', '"volumes')]) {
      writeFileSync(file(), text);
      assert.throws(() => new FileRecords(file()), { reason: 'config-invalid' });
      assert.equal(readFileSync(file(), 'utf8'), text);
    }
  });

  it('are what was written, wherever the last line was cut off', async () => {
    const whole = readFileSync(file(), 'utf8');
    const without = whole.slice(0, whole.lastIndexOf('\n', whole.length - 2) + 1);
    for (let length = without.length; length < whole.length; length += 29) {
      writeFileSync(file(), whole.slice(0, length));
      const cut = new FileRecords(file());
      const found = await cut.get('__proto__');
      assert.ok(found !== undefined && found.version < record.version);
      await cut.update({ ...found, deleting: true });
      assert.equal((await new FileRecords(file()).get('__proto__'))?.deleting, true);
    }
  });

  it('take as much of the file as there are records, however often they were written', async () => {
    let one = await world.records.create(newVolume('often'));
    for (let time = 0; time < 1_050; time++) one = await world.records.update({ ...one, deleting: true });
    assert.ok(readFileSync(file(), 'utf8').split('\n').length < 200);
    assert.deepEqual((await new FileRecords(file()).get('often'))?.version, one.version);
  });
});
