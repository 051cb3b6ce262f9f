// Tries an image that was just built: that what its users rely on is there and runs, as the user and with the start that
// the image says. Must not know how it was built.
import type { ImageBuild } from './image-build.ts';
import { ownArchitecture } from './native-packages.ts';
import type { OciImage } from './oci-layout.ts';

const home = '/opt/famfs-csi';
const roles = ['node', 'agent', 'controller', 'mounter', 'all-in-one', 'state'];

/** A command in the image, and what its output has to match. Exit status 0 unless another is named. */
interface Trial {
  readonly argv: readonly string[];
  readonly shows: RegExp;
  readonly status?: number;
}

/**
 * @returns the bill of materials that the image holds
 * @throws Error that lists everything which is not as it should be
 */
export function smokeTest({ buildah, version, order }: ImageBuild, name: string, image: OciImage): string {
  const complaints = complaintsAboutConfig(image, order.architecture, version);
  const bill = buildah.withContainer(name, (container) => {
    const trials = order.architecture === ownArchitecture() ? trialsFor(image, version) : [];
    for (const { argv, shows, status = 0 } of trials) {
      const ended = buildah.runIn(container, argv);
      if (ended.status !== status || !shows.test(ended.output))
        complaints.push(
          `${argv.join(' ')} ended with ${ended.status} and wrote: ${ended.output.slice(0, 2000)}`,
        );
    }
    return buildah.readFile(container, `${home}/sbom.spdx.json`);
  });
  if (complaints.length > 0) throw new Error(`The image is not as it should be:\n${complaints.join('\n')}`);
  return bill;
}

function complaintsAboutConfig({ config }: OciImage, architecture: string, version: string): string[] {
  const labels = config.config?.Labels ?? {};
  const wanted: readonly (readonly [what: string, found: unknown, wanted: unknown])[] = [
    ['architecture', config.architecture, architecture],
    ['user', config.config?.User, '65532:65532'],
    ['entry point', config.config?.Entrypoint?.join(' '), '/usr/bin/tini -s -- /usr/local/bin/famfs-csi'],
    ['version', labels['org.opencontainers.image.version'], version],
    ['license', labels['org.opencontainers.image.licenses'], 'Apache-2.0'],
  ];
  return wanted.flatMap(([what, found, value]) =>
    found === value ? [] : [`its ${what} is ${found}, not ${value}`],
  );
}

function trialsFor({ config }: OciImage, version: string): readonly Trial[] {
  const start = config.config?.Entrypoint ?? [];
  const node = `${home}/bin/node`;
  const escaped = version.replaceAll('.', '\\.');
  const loadKoffi = `require('${home}/node_modules/koffi').load('libc.so.6'); console.log('loaded')`;
  return [
    { argv: ['id', '--user'], shows: /^65532$/m },
    { argv: [node, '--version'], shows: /^v24\./ },
    { argv: [node, '--print', 'process.arch'], shows: new RegExp(`^${process.arch}$`, 'm') },
    { argv: [node, '--eval', loadKoffi], shows: /^loaded$/m },
    { argv: [...start, '--version'], shows: new RegExp(`^${escaped}$`, 'm') },
    { argv: [...start, ...(config.config?.Cmd ?? [])], shows: /Usage: famfs-csi ROLE/ },
    { argv: [...start, 'sim', '--help'], shows: /Simulated famfs/ },
    { argv: [...start, 'no-such-role'], shows: /has no role "no-such-role"/, status: 2 },
    ...roles.map((role) => ({ argv: [...start, role, '--help'], shows: new RegExp(`famfs-csi ${role}`) })),
    // What the mounter runs besides famfs, and what `sim install` runs.
    { argv: ['nsenter', '--version'], shows: /util-linux/ },
    { argv: ['umount', '--version'], shows: /util-linux/ },
    {
      argv: ['sh', '-c', '! find / -xdev -perm /6000 -newer /opt/famfs-csi/bin/node 2>/dev/null | grep .'],
      shows: /^$/,
    },
  ];
}
