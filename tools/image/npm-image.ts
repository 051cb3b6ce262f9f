// Makes the image that has npm, for the stage of the Dockerfile that fetches, on a machine that reaches npm's registry and
// no registry of images: the base with the project's Node and a release of npm. Nothing of it gets into our image.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../run-tool.ts';
import type { Buildah } from './buildah.ts';
import { nativePackagesFor, ownArchitecture } from './native-packages.ts';

const npmVersion = '11.19.1';

/**
 * Makes the image and commits it, for this machine's architecture.
 * @param base the image that it is made on
 * @param folder an empty folder to work in
 */
export function makeNpmImage(buildah: Buildah, name: string, base: string, folder: string): void {
  const tree = path.join(folder, 'npm');
  const bin = path.join(tree, 'usr/local/bin');
  const modules = path.join(tree, 'usr/local/lib/node_modules');
  mkdirSync(bin, { recursive: true });
  mkdirSync(path.join(modules, 'npm'), { recursive: true });
  const { node } = nativePackagesFor(ownArchitecture());
  cpSync(path.join(projectRoot, 'node_modules', node, 'bin/node'), path.join(bin, 'node'));
  chmodSync(path.join(bin, 'node'), 0o755);
  const words = ['pack', `npm@${npmVersion}`, '--pack-destination', folder, '--silent'];
  const archive = path.join(folder, execFileSync('npm', words, { encoding: 'utf8', cwd: folder }).trim());
  const unpack = ['--extract', '--file', archive, '--strip-components=1', '--no-same-owner'];
  execFileSync('tar', [...unpack, '--directory', path.join(modules, 'npm')]);
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', path.join(bin, 'npm'));
  chmodSync(path.join(modules, 'npm/bin/npm-cli.js'), 0o755);
  buildah.withContainer(base, (container) => {
    buildah.run('copy', '--quiet', container, tree, '/');
    buildah.run('commit', '--quiet', container, name);
  });
  rmSync(tree, { recursive: true });
}
