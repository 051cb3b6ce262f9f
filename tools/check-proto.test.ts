// The comparison of protocols must be able to fail: every kind of change that matters is made to a copy of the
// protocols, one at a time, and has to be named.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { goVersion } from './go-program.ts';
import { projectRoot } from './run-tool.ts';

interface Change {
  readonly name: string;
  readonly file: 'csi.proto' | 'registration.proto';
  readonly from: string | RegExp;
  readonly to: string;
  readonly complaint: RegExp;
}

const changes: readonly Change[] = [
  {
    name: 'a renumbered field',
    file: 'registration.proto',
    from: 'string endpoint = 3;',
    to: 'string endpoint = 9;',
    complaint: /message PluginInfo \/ field endpoint \/ number: 9 here, 3 in the release/,
  },
  {
    name: 'a renamed field',
    file: 'registration.proto',
    from: 'bool plugin_registered',
    to: 'bool registered',
    complaint: /message RegistrationStatus \/ field plugin_registered: missing here/,
  },
  {
    name: 'a repeated field made single',
    file: 'registration.proto',
    from: 'repeated string supported_versions',
    to: 'string supported_versions',
    complaint: /field supported_versions \/ label: LABEL_OPTIONAL here, LABEL_REPEATED in the release/,
  },
  {
    name: 'another type',
    file: 'registration.proto',
    from: 'string error = 2;',
    to: 'bytes error = 2;',
    complaint: /field error \/ type: TYPE_BYTES here, TYPE_STRING in the release/,
  },
  {
    name: 'a dropped csi_secret',
    file: 'csi.proto',
    from: /\s*\[\s*\(csi_secret\) = true\s*\]/,
    to: '',
    complaint: /options.*: missing here/,
  },
  {
    name: 'a dropped alpha mark of a method',
    file: 'csi.proto',
    from: 'option (alpha_method) = true;',
    to: '',
    complaint: /method ControllerListVolumeHealth \/ options \/ \(csi\.v1\.alpha_method\): missing here/,
  },
  {
    name: 'a message too many',
    file: 'csi.proto',
    from: 'service Identity {',
    to: 'message VolumeCondition {}\nservice Identity {',
    complaint: /message VolumeCondition: not in the release/,
  },
  {
    name: 'a message listed as left out that is there',
    file: 'csi.proto',
    from: 'service Identity {',
    to: 'message BlockMetadata {}\nservice Identity {',
    complaint: /message BlockMetadata: listed as left out, but it is here/,
  },
  {
    name: 'another number of an enum value',
    file: 'csi.proto',
    from: /DATA_LOSS = 3/,
    to: 'DATA_LOSS = 4',
    complaint: /value DATA_LOSS \/ number: 4 here, 3 in the release/,
  },
];

const skip = goVersion() === undefined ? 'Go is not installed, and the comparison is a Go program' : false;

describe('check:proto', { skip }, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'famfs-csi-proto-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('finds our protocols equal to the released ones and says what it compared', () => {
    const { status, stdout } = run(path.join(projectRoot, 'proto'));
    assert.equal(status, 0, stdout);
    assert.match(stdout, /csi\.proto equals .*spec v1\.13\.0: 3 services, 30 methods/);
    assert.match(
      stdout,
      /registration\.proto equals k8s\.io\/kubelet v[\d.]+: 1 service, 2 methods, 4 messages/,
    );
  });

  for (const change of changes) {
    test(`names ${change.name}`, () => {
      const copy = path.join(folder, change.name.replaceAll(' ', '-'));
      cpSync(path.join(projectRoot, 'proto'), copy, { recursive: true });
      const file = path.join(copy, change.file);
      const original = readFileSync(file, 'utf8');
      const changed = original.replace(change.from, change.to);
      assert.notEqual(changed, original, 'the change found nothing to change');
      writeFileSync(file, changed);
      const { status, stdout } = run(copy);
      assert.equal(status, 1, stdout);
      assert.match(stdout, change.complaint);
    });
  }
});

function run(protoFolder: string): { status: number | null; stdout: string } {
  const script = path.join(projectRoot, 'tools/check-proto.ts');
  return spawnSync(process.execPath, [script, '--proto', protoFolder], { encoding: 'utf8' });
}
