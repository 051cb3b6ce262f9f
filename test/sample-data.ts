// Small files to put into a pool, with contents that tell where they came from.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What the sample file of this name holds. */
export function sampleText(name: string): string {
  return `the contents of ${name}\n`.repeat(200);
}

/** Makes a folder of sample files, such as `{ llama: ['config', 'weights'] }`, and returns it. */
export function makeSamples(folder: string, tree: Readonly<Record<string, readonly string[]>>): string {
  for (const [directory, files] of Object.entries(tree)) {
    mkdirSync(path.join(folder, directory), { recursive: true });
    for (const file of files) {
      writeFileSync(path.join(folder, directory, file), sampleText(`${directory}/${file}`));
    }
  }
  return folder;
}
