// A mount namespace filled with mounts up to the kernel's own limit (fs.mount-max), by copying trees of them. For tests
// of what happens at the limit; to be used in a private mount namespace only.
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { closeFd, openPath } from '../../src/linux/file-descriptor.ts';
import { listmount } from '../../src/linux/mount-id.ts';
import { mountFileSystem, moveMount, openTree, setPropagation, unmount } from '../../src/linux/mounts.ts';
import { errorCodeOf } from '../../src/linux/syscall-error.ts';

/** Trees of up to 2 ^ 16 mounts are copied. */
const largestPower = 16;

export class ManyMounts {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'mounts-'));
  /** Mounts of the namespace now: as many as it may have. */
  readonly total: number;

  /** Fills the namespace until not a single mount more is possible. */
  constructor() {
    const tree = path.join(this.#folder, 'tree');
    mountPrivately(this.#folder);
    mkdirSync(tree);
    mountPrivately(tree);
    // The tree gets a copy of itself inside, so it doubles each time, and the copies stay there as patterns.
    const patterns: string[] = [];
    for (let power = 0; power <= largestPower; power++) {
      const pattern = path.join(tree, String(power));
      mkdirSync(pattern);
      if (!copyTree(tree, pattern)) break;
      patterns.unshift(pattern);
    }
    for (const [index, pattern] of patterns.entries()) {
      for (let number = 0; this.#copyInto(`more${index}-${number}`, pattern); number++);
    }
    this.total = listmount().length;
  }

  /** Takes all of them away again. */
  end(): void {
    unmount(this.#folder, { detach: true });
    rmdirSync(this.#folder);
  }

  #copyInto(name: string, pattern: string): boolean {
    const target = path.join(this.#folder, name);
    mkdirSync(target);
    if (copyTree(pattern, target)) return true;
    rmdirSync(target);
    return false;
  }
}

function mountPrivately(target: string): void {
  mountFileSystem({ source: 'many', target, type: 'tmpfs' });
  setPropagation(target, 'private');
}

/** False when there is no room for as many mounts. */
function copyTree(from: string, to: string): boolean {
  const [fromFd, toFd] = [openPath(from), openPath(to)];
  const treeFd = openTree(fromFd, { clone: true, recursive: true });
  try {
    moveMount(treeFd, toFd);
    return true;
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOSPC') throw error;
    return false;
  } finally {
    for (const fd of [treeFd, fromFd, toFd]) closeFd(fd);
  }
}
