// Folders for targets: kubelet makes the parent of a target, here the benchmark does.
import { mkdirSync } from 'node:fs';
import path from 'node:path';

/** A folder for targets below a kubelet directory; made unless it is there. */
export function targetsFolder(kubeletDir: string, name: string): string {
  const folder = path.join(kubeletDir, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Targets that the client leaves behind when it is told to publish: those of the first `count` numbers. */
export function lastingTargets(folder: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => path.join(folder, `lasting-${number}`));
}
