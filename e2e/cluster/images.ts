// The images that a cluster's nodes have from the start, since there is no registry: made once from what was built or installed.
// Must not know how they come onto a node.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { sharedCache } from './cluster-folder.ts';
import { type ImageConfig, packImage } from './image-archive.ts';
import { findProgram } from './needed-programs.ts';
import { pauseImage } from './node-files.ts';

/** A shell and the usual small programs, for pods that only read and write. */
export const busyboxImage = 'famfs-csi.test/busybox:1';

const cache = path.join(sharedCache, 'images');

/** Archives of the images that pods of tests need, and of the sidecar. */
export function testImages(csiProvisioner: string, csiProvisionerVersion: string): string[] {
  return [
    packBusybox('pause', pauseImage, { Entrypoint: ['/bin/sleep', 'infinity'] }),
    packBusybox('busybox', busyboxImage, { Env: ['PATH=/bin'], Cmd: ['sh'] }),
    image(
      'csi-provisioner',
      `registry.k8s.io/sig-storage/csi-provisioner:${csiProvisionerVersion}`,
      { Entrypoint: ['/csi-provisioner'], User: '65532:65532' },
      csiProvisioner,
      (root) => copyFileSync(csiProvisioner, path.join(root, 'csi-provisioner')),
    ),
  ];
}

/**
 * An image of busybox and its many names.
 * @param file by which it is told from others in the cache
 * @param name of the image, with its tag
 * @returns its archive
 */
export function packBusybox(file: string, name: string, config: ImageConfig): string {
  return image(file, name, config, findProgram('busybox') ?? '', busyboxRoot);
}

/** Packs the image unless there is one of the same program already. */
function image(
  file: string,
  name: string,
  config: ImageConfig,
  program: string,
  fill: (root: string) => void,
): string {
  const hash = createHash('sha256')
    .update(readFileSync(program))
    .update(JSON.stringify([name, config]));
  const archive = path.join(cache, `${file}-${hash.digest('hex').slice(0, 16)}.tar`);
  if (existsSync(archive)) return archive;
  mkdirSync(cache, { recursive: true });
  const root = mkdtempSync(path.join(cache, 'root-'));
  try {
    fill(root);
    packImage(root, name, config, archive);
  } finally {
    rmSync(root, { recursive: true });
  }
  for (const older of globSync(`${file}-*.tar`, { cwd: cache }))
    if (older !== path.basename(archive)) rmSync(path.join(cache, older));
  return archive;
}

function busyboxRoot(root: string): void {
  const busybox = findProgram('busybox') ?? '';
  for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root'])
    mkdirSync(path.join(root, folder), { mode: folder === 'tmp' ? 0o1777 : 0o755 });
  copyFileSync(busybox, path.join(root, 'bin/busybox'));
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets)
    if (applet !== 'busybox') symlinkSync('busybox', path.join(root, 'bin', applet));
  writeFileSync(path.join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(path.join(root, 'etc/group'), 'root:x:0:\n');
}
