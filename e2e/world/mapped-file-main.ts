// Maps a file inside of a pod and does with the mapping what it is told on its input, a line each: `load OFFSET`,
// `store OFFSET BYTE`, `digest`. Answers a line each. Runs from a configuration map in the driver's image, so it has nothing
// but that image.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const koffi = createRequire('/opt/famfs-csi/dist/')('koffi');
const mmap = koffi
  .load('libc.so.6')
  .func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']);

const [, , file = '', access = 'r'] = process.argv;
const fd = openSync(file, access === 'rw' ? 'r+' : 'r');
const sizeBytes = fstatSync(fd).size;
const protection = access === 'rw' ? 3 : 1;
const sharedMapping = 1;
const address = mmap(null, sizeBytes, protection, sharedMapping, fd, 0);
if (BigInt(koffi.address(address)) === 2n ** 64n - 1n) throw new Error(`${file} cannot be mapped`);
closeSync(fd);
const bytes = new Uint8Array(koffi.view(address, sizeBytes));
console.log(`mapped ${sizeBytes}`);

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, offset, byte] = line.split(' ');
  if (verb === 'load') console.log(String(bytes[Number(offset)]));
  else if (verb === 'digest') console.log(createHash('sha256').update(bytes).digest('hex'));
  else if (verb === 'store') {
    bytes[Number(offset)] = Number(byte);
    console.log('stored');
  } else console.log(`what is ${verb}?`);
}
