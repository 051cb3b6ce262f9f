// Which packages of npm the image takes as they are, because they hold machine code. Must not know how they are fetched.

/** Architectures of the image, as OCI and Debian call them. */
export const architectures = ['amd64', 'arm64'] as const;
export type Architecture = (typeof architectures)[number];

/** @throws Error when the image is not made for it */
export function architectureFrom(text: string | undefined): Architecture {
  const known = architectures.find((name) => name === text);
  if (known === undefined)
    throw new Error(`The image is made for ${architectures.join(' and ')}, not for ${JSON.stringify(text)}.`);
  return known;
}

/** The architecture of the machine that this runs on. */
export function ownArchitecture(): Architecture {
  return architectureFrom(process.arch === 'x64' ? 'amd64' : process.arch);
}

export interface NativePackages {
  /** The program bin/node. */
  readonly node: string;
  /** koffi's machine code, beside the package koffi itself. */
  readonly koffi: string;
}

/** Names in npm of what has machine code for an architecture. */
export function nativePackagesFor(architecture: Architecture): NativePackages {
  const npmName = architecture === 'amd64' ? 'x64' : architecture;
  return { node: `node-linux-${npmName}`, koffi: `@koromix/koffi-linux-${npmName}` };
}
