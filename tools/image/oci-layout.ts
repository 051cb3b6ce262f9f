// Reads an image as OCI lays it out in a folder (image-spec 1.1, image-layout.md), checks it, and packs it as one file.
// Must not know what is in it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ImageConfig {
  readonly architecture: string;
  readonly config?: {
    readonly User?: string;
    readonly Env?: readonly string[];
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Labels?: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

export interface ImageLayer {
  /** Of the layer as it is stored and sent. */
  readonly digest: string;
  readonly storedBytes: number;
  /** Of the archive in it: the same however it was compressed. */
  readonly diffId: string;
  readonly unpackedBytes: number;
}

export interface OciImage {
  readonly manifestDigest: string;
  readonly config: ImageConfig;
  readonly layers: readonly ImageLayer[];
}

/**
 * Reads the only image of a layout, and every layer of it.
 * @throws Error when there are several, or a layer is not what the image says
 */
export async function readOciImage(layout: string): Promise<OciImage> {
  const index = readJson(path.join(layout, 'index.json')) as { manifests: readonly Descriptor[] };
  const [found, ...others] = index.manifests;
  if (found === undefined || others.length > 0) throw new Error(`${layout} does not hold one image.`);
  const manifest = readJson(blob(layout, found.digest)) as {
    config: Descriptor;
    layers: readonly Descriptor[];
  };
  const config = readJson(blob(layout, manifest.config.digest)) as ImageConfig;
  const layers: ImageLayer[] = [];
  for (const [at, { digest, size, mediaType }] of manifest.layers.entries()) {
    const { diffId, unpackedBytes } = await readLayer(blob(layout, digest), mediaType.endsWith('gzip'));
    if (diffId !== config.rootfs.diff_ids[at])
      throw new Error(`Layer ${at} of ${layout} is ${diffId}, not ${config.rootfs.diff_ids[at]}.`);
    layers.push({ digest, storedBytes: size, diffId, unpackedBytes });
  }
  return { manifestDigest: found.digest, config, layers };
}

async function readLayer(
  file: string,
  isCompressed: boolean,
): Promise<{ diffId: string; unpackedBytes: number }> {
  const hash = createHash('sha256');
  let unpackedBytes = 0;
  const count = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      unpackedBytes += chunk.length;
    }
  };
  const source = createReadStream(file, { highWaterMark: 2 ** 20 });
  if (isCompressed) await pipeline(source, createGunzip({ chunkSize: 2 ** 20 }), count);
  else await pipeline(source, count);
  return { diffId: `sha256:${hash.digest('hex')}`, unpackedBytes };
}

/**
 * Packs a layout as one file that `ctr images import` and `podman load` take, always the same bytes for the same image.
 * @param name what the image is called where it is imported, with its tag
 */
export function packOciArchive(layout: string, name: string, file: string): void {
  const place = path.join(layout, 'index.json');
  const index = readJson(place) as { manifests: readonly Descriptor[] };
  // containerd looks at the first of these, others at the second.
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
  const manifests = index.manifests.map((manifest) => ({ ...manifest, annotations }));
  writeFileSync(place, JSON.stringify({ schemaVersion: 2, manifests }));
  const plain = [
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
    '--mtime=@0',
  ];
  execFileSync('tar', [
    ...plain,
    '--directory',
    layout,
    '--create',
    '--file',
    file,
    'oci-layout',
    'index.json',
    'blobs',
  ]);
}

/** Where a blob lies in a layout. */
export function blob(layout: string, digest: string): string {
  const [algorithm = '', encoded = ''] = digest.split(':', 2);
  const file = path.join(layout, 'blobs', algorithm, encoded);
  statSync(file);
  return file;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
