// Places that are none of a publisher's business, shaped like kubelet's so that a path through a symbolic link leads right
// into them, and what tells that they were touched after all. Knows no driver.
import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readMountTable } from '../../src/linux/mount-table.ts';
import { mountFileSystem } from '../../src/linux/mounts.ts';

/** In what state the place of the target is: missing, an empty directory, a file system of somebody. */
const states = ['bare', 'empty', 'mounted'] as const;

export class ForeignPlaces {
  readonly #root: string;
  readonly #before: readonly string[];

  /** For each of `targets` (relative paths) a look-alike in each state, below `root`, which must not exist yet. */
  constructor(root: string, targets: readonly string[]) {
    this.#root = root;
    for (const state of states) {
      for (const target of targets) {
        const lookAlike = path.join(root, state, target);
        mkdirSync(state === 'bare' ? path.dirname(lookAlike) : lookAlike, { recursive: true });
        if (state !== 'mounted') continue;
        mountFileSystem({ source: 'foreign', target: lookAlike, type: 'tmpfs', data: 'size=64k' });
        writeFileSync(path.join(lookAlike, 'weights'), 'of somebody else');
      }
    }
    this.#before = this.#look();
  }

  /** The look-alikes of a relative path, one in each state. */
  links(relative: string): string[] {
    return states.map((state) => path.join(this.#root, state, relative));
  }

  /** What has been mounted, unmounted, made, removed or changed here, if only for a moment (a directory's times tell). */
  traces(): string[] {
    const now = this.#look();
    return [
      ...now.filter((line) => !this.#before.includes(line)).map((line) => `new: ${line}`),
      ...this.#before.filter((line) => !now.includes(line)).map((line) => `gone: ${line}`),
    ];
  }

  /** Mounts that are here now and were not at first: quicker than `traces`. */
  newMounts(): string[] {
    return this.#mounts().filter((line) => !this.#before.includes(line));
  }

  #mounts(): string[] {
    return readMountTable()
      .filter(({ mountPoint }) => mountPoint.startsWith(`${this.#root}/`))
      .map(
        ({ mountId, source, root, mountPoint }) => `mount ${mountId} of ${source} ${root} on ${mountPoint}`,
      );
  }

  #look(): string[] {
    const entries = readdirSync(this.#root, { recursive: true, encoding: 'utf8' }).map((name) => {
      const stats = lstatSync(path.join(this.#root, name), { bigint: true });
      return `${name} inode ${stats.ino} mode ${stats.mode} changed ${stats.ctimeNs}`;
    });
    return [...this.#mounts(), ...entries];
  }
}
