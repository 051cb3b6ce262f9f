// What `helm test` looks at once its claim has become a volume in this pod: the file is there, as large as it was asked for, and
// empty. It only reads, so that it runs on nodes that publish nothing writable.
import { closeSync, openSync, readSync, statSync } from 'node:fs';

const { VOLUME_FILE: file = '/volume/data' } = process.env;
const size = statSync(file).size;
const wanted = Number(process.env.WANTED_BYTES);
if (size < wanted) throw new Error(`${file} has ${size} bytes, where the claim asked for ${wanted}.`);
const fd = openSync(file, 'r');
for (const position of [0, size - 4096]) {
  const bytes = Buffer.alloc(4096, 1);
  const count = readSync(fd, bytes, 0, bytes.length, position);
  if (count !== bytes.length || bytes.some((byte) => byte !== 0))
    throw new Error(`${file} is not zero at ${position}, where a new volume has to be.`);
}
closeSync(fd);
console.log(`A claim became ${file} of ${size} bytes in this pod, all of it zero where it was looked at.`);
