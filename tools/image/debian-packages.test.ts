import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DebianPackage, parseDebianPackages } from './debian-packages.ts';

const status = `Package: tini
Status: install ok installed
Architecture: amd64
Version: 0.19.0-3+b3
Source: tini (0.19.0-3)
Description: tiny but valid init for containers
 Version: 9 is not a field, as the line goes on with the description
 .
 the end

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.37-2
`;

describe('the records of dpkg', () => {
  test('tell the packages that are installed, by name, with the source they came from', () => {
    assert.deepEqual(parseDebianPackages(status), [
      {
        name: 'bash',
        version: '5.2.37-2',
        architecture: 'amd64',
        source: 'bash',
        sourceVersion: '5.2.37-2',
      },
      {
        name: 'tini',
        version: '0.19.0-3+b3',
        architecture: 'amd64',
        source: 'tini',
        sourceVersion: '0.19.0-3',
      },
    ]);
  });

  test('count a control file, which says nothing of being installed', () => {
    assert.deepEqual(
      parseDebianPackages('Package: a\nVersion: 1\nArchitecture: all\nSource: b\n').map(
        ({ name, source, sourceVersion }) => [name, source, sourceVersion],
      ),
      [['a', 'b', '1']],
    );
  });

  test('give back every package that was written into them', () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,12}$/);
    const found = fc.record(
      {
        name: word,
        version: word,
        architecture: fc.constantFrom('amd64', 'arm64', 'all'),
        source: word,
        sourceVersion: word,
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.uniqueArray(found, { selector: ({ name }) => name }), (packages) => {
        const sorted = packages.toSorted((a, b) => (a.name < b.name ? -1 : 1));
        assert.deepEqual(parseDebianPackages(packages.map(paragraph).join('\n')), sorted);
      }),
    );
  });
});

function paragraph({ name, version, architecture, source, sourceVersion }: DebianPackage): string {
  return `Package: ${name}
Status: install ok installed
Source: ${source} (${sourceVersion})
Architecture: ${architecture}
Version: ${version}
`;
}
