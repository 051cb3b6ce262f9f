// Hostile texts by what they are made of: characters that cannot be seen, scripts, lengths, bytes that are no text. The others
// are in hostile-strings.ts, which puts them together.
/** Made of numbers, so that nothing invisible stands in this file. */
const ch = (...codePoints: number[]): string => String.fromCodePoint(...codePoints);

export const controls = [
  ...['x\ny', 'x\n', '\nx', 'x\ry', 'x\ty', 'x\vy', 'x\fy', 'x\by', 'x\0y', 'x\0../y'],
  ...[0x01, 0x02, 0x04, 0x05, 0x07, 0x0e, 0x1a, 0x1f].map((code) => `x${ch(code)}y`),
  ...[0x7f, 0x80, 0x85, 0x90, 0x9b, 0x9d, 0x9f].map((code) => `x${ch(code)}y`),
  ...[
    `${ch(0x1b)}[2J`,
    `${ch(0x1b)}]0;x${ch(7)}`,
    `x${ch(0x1b)}[31my`,
    `${ch(0x9b)}2J`,
    `x${ch(8, 8)}y`,
    `x${ch(0x1b)}c`,
  ],
];
export const invisible = [
  ...[0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
  ...[
    0xad, 0x34f, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x2028, 0x2029, 0x2060, 0x2061, 0x2064, 0x3164,
    0xfeff,
  ],
  ...[
    0xfff9, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff, 0xfdd0, 0xe000, 0xf8ff, 0xe0001, 0xe0041, 0xf0000,
    0x10fffe, 0x10ffff,
  ],
].map((code) => `x${ch(code)}y`);
export const scripts = [
  ...[0xa0, 0x1680, 0x2002, 0x2003, 0x2007, 0x2009, 0x202f, 0x205f, 0x3000].map((code) => `x${ch(code)}y`),
  ...[0x1f999, 0x1f4a9, 0x1f3f4, 0x1d54f, 0x20000].map((code) => ch(code)),
  ...[ch(0x1f468, 0x200d, 0x1f469), ch(0x1f1e9, 0x1f1ea), ch(0x1f44d, 0x1f3fd), ch(0x2764, 0xfe0f)],
  ...[ch(0x645, 0x62d, 0x645, 0x62f), ch(0x65e5, 0x672c), ch(0x5e9, 0x5dc), `x${ch(0x300).repeat(60)}`],
  // What another spelling, or a look-alike, of a good name is.
  ...[
    `mod${ch(0xe9)}les`,
    `mode${ch(0x301)}les`,
    `m${ch(0x43e)}dels`,
    `${ch(0xff4d)}odels`,
    `models${ch(0x2215)}llama`,
  ],
  ...[
    `models${ch(0xff0f)}llama`,
    `models${ch(0x2044)}llama`,
    `${ch(0x2024, 0x2024)}/x`,
    `${ch(0xff0e, 0xff0e)}/x`,
    `.${ch(0x2024)}`,
  ],
  ...[
    `${ch(0x2010)}o`,
    `${ch(0x2212)}rf`,
    `${ch(0xff0d)}o`,
    `x${ch(0xff0c)}y`,
    `x${ch(0xff1d)}y`,
    `x${ch(0xfe50)}y`,
    ch(0x130, 0x131),
  ],
  ...[
    `${ch(0xfb01)}le`,
    ch(0xdf),
    ch(0x1e9e),
    `${ch(0x212a)}`,
    `MODELS/LLAMA`,
    'Models/Llama',
    ch(0x41, 0x30a),
    ch(0xc5),
    ch(0x212b),
  ],
];
export const long: [name: string, text: string][] = [
  ...[64, 77, 78, 79, 80, 127, 128, 129, 254, 255, 256, 1023, 4095, 4096, 4097, 65_536].map(
    (length): [string, string] => [`${length} times a`, 'a'.repeat(length)],
  ),
  ['64 emoji', ch(0x1f999).repeat(64)],
  ['4 KiB of two-byte letters', ch(0xe9).repeat(2048)],
  ['64 KiB of three-byte letters', ch(0x65e5).repeat(21_846)],
  ['2,000 directories', 'a/'.repeat(2000)],
  ['4 KiB of ../', '../'.repeat(1366)],
  ['4 KiB of slashes', '/'.repeat(4096)],
  ['64 KiB of /a', '/a'.repeat(32_768)],
  ['64 KiB of commas', ','.repeat(65_536)],
  ['64 KiB of NUL', '\0'.repeat(65_536)],
  ['4 KiB of quotes', '"'.repeat(4096)],
  ['4 KiB of backslashes', '\\'.repeat(4096)],
  ['4 KiB of line ends', '\n'.repeat(4096)],
  ['a name of 78 bytes and a climb', `${'a'.repeat(75)}/..`],
  ['a long option', `--${'o'.repeat(4096)}`],
];
export const notUtf8: [name: string, bytes: number[]][] = [
  ['an overlong /', [0xc0, 0xaf]],
  ['an overlong .. and /', [0xc0, 0xae, 0xc0, 0xae, 0x2f]],
  ['an overlong / of three bytes', [0xe0, 0x80, 0xaf]],
  ['an overlong / of four bytes', [0xf0, 0x80, 0x80, 0xaf]],
  ['an overlong NUL', [0x78, 0xc0, 0x80, 0x79]],
  ['an overlong comma', [0x78, 0xc0, 0xac, 0x79]],
  ['an overlong dash', [0xc0, 0xad, 0x6f]],
  ['a lone continuation', [0x78, 0x80]],
  ['two lone continuations', [0xbf, 0xbf]],
  ['0xff', [0xff]],
  ['0xfe', [0x78, 0xfe, 0x79]],
  ['a cut sequence of two', [0x78, 0xc3]],
  ['a cut sequence of three', [0x78, 0xe2, 0x80]],
  ['a cut sequence of four', [0xf0, 0x9f, 0xa6]],
  ['a sequence broken by a letter', [0xe2, 0x78, 0x80]],
  ['the first surrogate', [0xed, 0xa0, 0x80]],
  ['the last surrogate', [0xed, 0xbf, 0xbf]],
  ['a pair of surrogates', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ['beyond the last character', [0xf4, 0x90, 0x80, 0x80]],
  ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ['six bytes', [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]],
  ['Latin-1', [0x6d, 0xe9, 0x6c]],
  ['UTF-16 with a mark', [0xff, 0xfe, 0x61, 0x00]],
  ['a good name that ends badly', [...Buffer.from('models/llama'), 0xc1]],
];
