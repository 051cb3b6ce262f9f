// Packs a folder as an image of one layer that containerd imports (OCI image layout, in a tar). The same folder gives the same
// bytes. Must not know what is in it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

/**
 * @param root the folder that becomes the image's root
 * @param name with its tag, such as "famfs-csi.test/busybox:1"
 * @param archive the file to write; it appears when it is complete
 */
export function packImage(root: string, name: string, config: ImageConfig, archive: string): void {
  const work = mkdtempSync(`${archive}.`);
  try {
    const blobs = path.join(work, 'blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    const layer = addLayer(root, blobs);
    const configuration = addJson(blobs, 'application/vnd.oci.image.config.v1+json', {
      architecture,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const manifest = addJson(blobs, 'application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: configuration,
      layers: [layer],
    });
    const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
    const listed = { ...manifest, platform: { architecture, os: 'linux' }, annotations };
    writeFileSync(path.join(work, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    writeFileSync(path.join(work, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [listed] }));
    execFileSync('tar', ['-C', work, '-cf', `${archive}.new`, 'oci-layout', 'index.json', 'blobs']);
    renameSync(`${archive}.new`, archive);
  } finally {
    rmSync(work, { recursive: true });
  }
}

function addLayer(root: string, blobs: string): Descriptor {
  const file = path.join(blobs, 'layer');
  const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
  execFileSync('tar', [...same, '-C', root, '-cf', file, '.']);
  const hash = createHash('sha256').update(readFileSync(file)).digest('hex');
  const size = statSync(file).size;
  renameSync(file, path.join(blobs, hash));
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${hash}`, size };
}

function addJson(blobs: string, mediaType: string, value: unknown): Descriptor {
  const text = JSON.stringify(value);
  const hash = createHash('sha256').update(text).digest('hex');
  writeFileSync(path.join(blobs, hash), text);
  return { mediaType, digest: `sha256:${hash}`, size: Buffer.byteLength(text) };
}
