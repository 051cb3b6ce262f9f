// Which packages of npm went into bundles, from what esbuild says that it read. Must not know what the bundles are for.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Metafile } from 'esbuild';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As its package.json says, mostly an SPDX expression. */
  readonly license: string | undefined;
  /** Where it lies, from the project's root: `node_modules/@grpc/grpc-js`, or one inside of another. */
  readonly folder: string;
  /** Where it lies, absolute. */
  readonly directory: string;
}

/** The packages that files of the bundles came from, each once, by folder: one name may be there in several versions. */
export function packagesOfBundles(root: string, metafiles: readonly Metafile[]): NpmPackage[] {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const folders = new Set(inputs.flatMap((input) => packageFolderOf(input) ?? []));
  return [...folders].sort().map((folder) => readNpmPackage(root, folder));
}

/** The folder of the package that a file belongs to; undefined for a file of none. */
export function packageFolderOf(file: string): string | undefined {
  return /^(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

/** @throws Error when there is no package in the folder */
export function readNpmPackage(root: string, folder: string): NpmPackage {
  const directory = path.join(root, folder);
  const file = path.join(directory, 'package.json');
  const { name, version, license } = JSON.parse(readFileSync(file, 'utf8')) as {
    name?: string;
    version?: string;
    license?: string | { type?: string };
  };
  if (name === undefined || version === undefined) throw new Error(`${file} has no name or no version.`);
  return { name, version, license: typeof license === 'object' ? license.type : license, folder, directory };
}

/** The texts under which a package is given away; empty when it brings none. */
export function licenseTexts(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file))
    .sort()
    .map((file) => readFileSync(path.join(directory, file), 'utf8').trim());
}
