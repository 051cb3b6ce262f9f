// Writes the software bill of materials of the image: an SPDX 2.3 document (https://spdx.github.io/spdx-spec/v2.3/).
// Must not know where packages were found.
import { createHash } from 'node:crypto';
import type { DebianPackage } from './debian-packages.ts';
import type { NpmPackage } from './npm-packages.ts';

export interface BillContents {
  readonly version: string;
  readonly architecture: string;
  /** Seconds since 1970, of the document and not of the moment: the same contents give the same document. */
  readonly createdEpoch: number;
  readonly npm: readonly (NpmPackage & { readonly integrity: string })[];
  readonly debian: readonly DebianPackage[];
}

export interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly downloadLocation: 'NOASSERTION';
  readonly filesAnalyzed: false;
  readonly licenseConcluded: 'NOASSERTION';
  readonly licenseDeclared: string;
  readonly copyrightText: 'NOASSERTION';
  readonly primaryPackagePurpose: 'APPLICATION' | 'LIBRARY' | 'CONTAINER';
  readonly checksums?: readonly { readonly algorithm: 'SHA512'; readonly checksumValue: string }[];
  readonly externalRefs?: readonly {
    readonly referenceCategory: 'PACKAGE-MANAGER' | 'SECURITY';
    readonly referenceType: 'purl' | 'cpe23Type';
    readonly referenceLocator: string;
  }[];
}

export interface SpdxDocument {
  readonly spdxVersion: 'SPDX-2.3';
  readonly dataLicense: 'CC0-1.0';
  readonly SPDXID: 'SPDXRef-DOCUMENT';
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] };
  readonly packages: readonly SpdxPackage[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: 'DESCRIBES' | 'CONTAINS';
    readonly relatedSpdxElement: string;
  }[];
}

const rootId = 'SPDXRef-Image';

/** The document for an image of these contents. */
export function softwareBill(contents: BillContents): SpdxDocument {
  const { version, architecture, createdEpoch } = contents;
  const root: SpdxPackage = {
    ...unstated('famfs-csi', version, rootId),
    licenseDeclared: 'Apache-2.0',
    primaryPackagePurpose: 'CONTAINER',
    externalRefs: [purl(`pkg:oci/famfs-csi?arch=${architecture}&tag=${encodeURIComponent(version)}`)],
  };
  const parts = [...contents.npm.map(npmEntry), ...contents.debian.map(debianEntry)];
  const packages = [root, ...parts];
  const digest = createHash('sha256').update(JSON.stringify(packages)).digest('hex').slice(0, 32);
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `famfs-csi ${version} ${architecture}`,
    documentNamespace: `https://famfs.io/spdx/famfs-csi-${version}-${architecture}-${digest}`,
    creationInfo: {
      created: new Date(createdEpoch * 1000).toISOString().replace('.000Z', 'Z'),
      creators: [`Tool: famfs-csi-image-${version}`],
    },
    packages,
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: rootId },
      ...parts.map(
        ({ SPDXID }) =>
          ({ spdxElementId: rootId, relationshipType: 'CONTAINS', relatedSpdxElement: SPDXID }) as const,
      ),
    ],
  };
}

function npmEntry({ name, version, license, integrity, folder }: BillContents['npm'][number]): SpdxPackage {
  const [algorithm, digest = ''] = integrity.split('-', 2);
  if (algorithm !== 'sha512') throw new Error(`${name} has a checksum of an unknown kind: ${integrity}`);
  const locator = `pkg:npm/${name.replace('@', '%40')}@${encodeURIComponent(version)}`;
  // Scanners know the runtime by its own name, not by that of the package that brings it.
  const isNode = /^node-linux-/.test(name);
  const cpe = {
    referenceCategory: 'SECURITY',
    referenceType: 'cpe23Type',
    referenceLocator: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
  } as const;
  return {
    ...unstated(name, version, spdxId('npm', folder.replaceAll('node_modules/', ''))),
    licenseDeclared: license === undefined || !isLicenseExpression(license) ? 'NOASSERTION' : license,
    primaryPackagePurpose: isNode ? 'APPLICATION' : 'LIBRARY',
    checksums: [{ algorithm: 'SHA512', checksumValue: Buffer.from(digest, 'base64').toString('hex') }],
    externalRefs: [purl(locator), ...(isNode ? [cpe] : [])],
  };
}

function debianEntry({ name, version, architecture, source, sourceVersion }: DebianPackage): SpdxPackage {
  const upstream = encodeURIComponent(source === name ? '' : `${source}@${sourceVersion}`);
  const qualifiers = [
    `arch=${architecture}`,
    'distro=debian-13',
    ...(upstream === '' ? [] : [`upstream=${upstream}`]),
  ];
  return {
    ...unstated(name, version, spdxId('deb', name)),
    primaryPackagePurpose: 'LIBRARY',
    externalRefs: [
      purl(
        `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?${qualifiers.join('&')}`,
      ),
    ],
  };
}

function unstated(name: string, version: string, id: string) {
  return {
    SPDXID: id,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: 'NOASSERTION',
    copyrightText: 'NOASSERTION',
  } as const;
}

function purl(referenceLocator: string) {
  return { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator } as const;
}

/** Ids may have letters, digits, dots and dashes only. */
function spdxId(kind: string, name: string): string {
  return `SPDXRef-${kind}-${name.replaceAll(/[^A-Za-z0-9.-]+/g, '-')}`;
}

function isLicenseExpression(text: string): boolean {
  return /^\(?[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*\)?$/.test(text);
}
