// Runs buildah with a store of its own below .cache, so that a build neither needs nor leaves anything elsewhere.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

export class Buildah {
  readonly #options: readonly string[];

  /** @param store the folder of images and containers; made when missing */
  constructor(store: string) {
    mkdirSync(store, { recursive: true, mode: 0o700 });
    // The plainest of its storage drivers works on any file system, but copies whole trees for each layer.
    const driver = canOverlay(store) ? 'overlay' : 'vfs';
    const [root, runRoot] = [path.join(store, driver), path.join(store, `${driver}-run`)];
    this.#options = ['--root', root, '--runroot', runRoot, '--storage-driver', driver];
  }

  /**
   * Runs a command with its messages passed through.
   * @returns what it wrote to standard output, without the line's end
   * @throws Error when it fails
   */
  run(command: string, ...args: readonly string[]): string {
    return execFileSync('buildah', [...this.#options, command, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 2 ** 28,
    }).trim();
  }

  /** Runs a build: all that it says goes to standard error. @throws Error when it fails */
  build(args: readonly string[]): void {
    const { status, error } = spawnSync('buildah', [...this.#options, 'build', ...args], {
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0)
      throw new Error(`buildah build failed${error === undefined ? '' : `: ${error.message}`}`);
  }

  /** The id of an image, undefined when there is none of that name. */
  imageId(name: string): string | undefined {
    const { status, stdout } = spawnSync(
      'buildah',
      [...this.#options, 'images', '--quiet', '--no-trunc', name],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    return status === 0 ? stdout.trim().split('\n')[0] : undefined;
  }

  /** The names of all images, with their tags. */
  names(): string[] {
    return this.run('images', '--format', '{{.Name}}:{{.Tag}}').split('\n');
  }

  /** Removes what builds left behind: containers, and images without a name that no other is made of. */
  prune(): void {
    this.run('rm', '--all');
    this.run('rmi', '--prune', '--force');
  }

  /** Hands a new container of an image to `use`, and removes it afterwards. */
  withContainer<T>(image: string, use: (container: string) => T): T {
    const container = this.run('from', '--pull-never', image);
    try {
      return use(container);
    } finally {
      this.run('rm', container);
    }
  }

  /**
   * Runs a program in a container as its image says, in a chroot.
   * @returns exit status and output, whatever they are
   */
  runIn(container: string, argv: readonly string[]): { status: number | null; output: string } {
    const words = ['run', '--isolation', 'chroot', container, '--', ...argv];
    const { status, stdout, stderr } = spawnSync('buildah', [...this.#options, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    return { status, output: `${stdout}${stderr}` };
  }

  /** The text of a file in a container. */
  readFile(container: string, file: string): string {
    return readFileSync(path.join(this.run('mount', container), file), 'utf8');
  }
}

/** Whether overlay file systems can be mounted upon a folder. To be called in a mount namespace of our own. */
function canOverlay(folder: string): boolean {
  const place = mkdtempSync(path.join(folder, 'probe-'));
  try {
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) =>
      path.join(place, name),
    );
    for (const part of [lower, upper, work, merged]) mkdirSync(part ?? '');
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    const argv = ['-t', 'overlay', 'overlay', '-o', options, merged ?? ''];
    if (spawnSync('mount', argv, { stdio: 'ignore' }).status !== 0) return false;
    spawnSync('umount', [merged ?? ''], { stdio: 'ignore' });
    return true;
  } finally {
    rmSync(place, { recursive: true });
  }
}
