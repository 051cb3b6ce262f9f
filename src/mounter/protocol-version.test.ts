import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf, { type Type } from 'protobufjs/light.js';
import description from './generated/mounter.js';
import { heededSince, protocolVersion, requireHeeded } from './protocol-version.ts';

/**
 * Every field of every request, by the version that brought it. A new one goes here with the next version, and whoever counts on
 * its being heeded asks for that first (`heededSince`).
 */
const fieldsByVersion: Readonly<Record<number, readonly string[]>> = {
  1: [
    ...[
      'pool_uuid',
      'path',
      'target',
      'writable',
      'allow_exec',
      'volume_id',
      'sole_target',
      'only_safely',
    ].map((field) => `BindRequest.${field}`),
    ...['pool_uuid', 'path', 'target'].map((field) => `CheckHealthRequest.${field}`),
    ...['device', 'log_size_bytes', 'replace_uuid'].map((field) => `FormatDeviceRequest.${field}`),
    ...['pool_uuid', 'path'].map((field) => `InspectMappingRequest.${field}`),
    'ListBindsRequest.volume_id',
    ...['pool_uuid', 'directory', 'files', 'mode', 'uid', 'gid'].map((field) => `MakeFilesRequest.${field}`),
    ...['NewFile.name', 'NewFile.size_bytes', 'ReleasePoolRequest.pool_uuid', 'ReleasePoolRequest.hold'],
    ...['StatRequest.pool_uuid', 'StatRequest.path', 'UnbindRequest.target', 'UnbindRequest.volume_id'],
    ...['pool_uuid', 'directory', 'names'].map((field) => `ZeroFilesRequest.${field}`),
  ],
};

/** The fields of a message and of those in it. */
function fieldsOf(type: Type): string[] {
  return type.fieldsArray.flatMap((field) => {
    const { resolvedType } = field.resolve();
    const inner = resolvedType !== null && 'fieldsArray' in resolvedType ? fieldsOf(resolvedType) : [];
    return [`${type.name}.${snake(field.name)}`, ...inner];
  });
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

describe('the version of the protocol of the mounter', () => {
  it('is raised with every field of a request', () => {
    const root = protobuf.Root.fromJSON(description);
    const service = root.lookupService('famfs.mounter.v1.Mounter');
    const requests = service.methodsArray.map((method) =>
      root.lookupType(`famfs.mounter.v1.${method.requestType}`),
    );
    const fields = new Set(requests.flatMap(fieldsOf));
    assert.deepEqual([...fields].sort(), Object.values(fieldsByVersion).flat().sort());
    assert.equal(protocolVersion, Math.max(...Object.keys(fieldsByVersion).map(Number)));
  });

  it('covers what callers count on', () => {
    for (const since of Object.values(heededSince)) assert.ok(since <= protocolVersion);
  });

  it('lets nothing be asked of a mounter that would leave it out, and says what to do', () => {
    for (const found of [heededSince.onlySafely, protocolVersion + 5])
      requireHeeded('onlySafely', { protocolVersion: found }, 'To do this');
    assert.throws(() => requireHeeded('onlySafely', { protocolVersion: 0 }, 'To do this'), {
      reason: 'mounter-outdated',
      message:
        /^To do this needs a mounter that speaks version 1 of the protocol, and that of this node speaks 0: .*Replace its pod/,
    });
  });
});
