// Bytes of files as pods write and read them. Writes never truncate: in fuse mode that would end the pool's daemon. Must not know
// any scenario.
import type { World } from './world.ts';

/** Writes text at the beginning of a file. */
export async function write(world: World, pod: string, file: string, text: string): Promise<void> {
  await world.inPod(pod, 'sh', '-c', 'printf %s "$0" | dd of="$1" conv=notrunc', text, file);
}

/** The first characters of a file. */
export function beginning(world: World, pod: string, file: string, characters: number): Promise<string> {
  return world.inPod(pod, 'head', '-c', String(characters), file);
}

/** Writes one letter to so many bytes. */
export async function fill(
  world: World,
  pod: string,
  file: string,
  sizeBytes: number,
  letter: string,
): Promise<void> {
  const script = 'tr "\\0" "$0" < /dev/zero | head -c "$1" | dd of="$2" bs=64k conv=notrunc';
  await world.inPod(pod, 'sh', '-c', script, letter, String(sizeBytes), file);
}

/** How many bytes of a file are other than the given one. */
export async function countOthers(world: World, pod: string, file: string, byte = '\\0'): Promise<number> {
  const script = 'tr -d "$0" < "$1" | wc -c';
  return Number(await world.inPod(pod, 'sh', '-c', script, byte, file));
}
