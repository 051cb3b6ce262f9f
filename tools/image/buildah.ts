// Runs buildah with a store of its own below .cache, so that a build neither needs nor leaves anything elsewhere.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export class Buildah {
  readonly #options: readonly string[];

  /** @param store the folder of images and containers; made when missing */
  constructor(store: string) {
    const root = path.join(store, 'storage');
    const runRoot = path.join(store, 'run');
    for (const folder of [root, runRoot]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    // The plainest of its storage drivers works on any file system and mounts nothing.
    this.#options = ['--root', root, '--runroot', runRoot, '--storage-driver', 'vfs'];
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
