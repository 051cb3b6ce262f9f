// Which paths a log may hold: a judgement of the text alone.
// Must not know which other paths the log holds.
import { maxPathBytes } from './log-entry.ts';

const slash = 0x2f;
const dot = 0x2e;

/**
 * Why a path must not be trusted, as the end of a sentence that begins with "path", or undefined for a good one. A
 * good path is relative, 1 to 78 bytes of UTF-8 (famfs cuts longer ones without a word: famfs reference 4.4), of
 * components that are not empty, "." or "..", without control bytes, and not below `.meta`, where famfs keeps its own
 * (famfs logs such paths as it gets them: famfs-kernel reference 12).
 */
export function pathProblem(path: string): string | undefined {
  const { length } = path;
  if (length === 0) return 'is empty';
  if (path.charCodeAt(0) === slash) return 'is absolute';
  let bytes = 0;
  let start = 0;
  for (let i = 0; i <= length; i += 1) {
    const code = i < length ? path.charCodeAt(i) : slash;
    if (code < 0x20 || code === 0x7f) return `has the control byte 0x${code.toString(16).padStart(2, '0')}`;
    if (code === slash) {
      const size = i - start;
      if (size === 0) return 'has an empty component';
      if (size <= 2 && path.charCodeAt(start) === dot && path.charCodeAt(i - 1) === dot) {
        return `has the component "${path.slice(start, i)}"`;
      }
      start = i + 1;
    }
    bytes += utf8Bytes(code);
  }
  bytes -= 1;
  if (bytes > maxPathBytes) return `is ${bytes} bytes and at most ${maxPathBytes} can be logged whole`;
  if (path.startsWith('.meta') && (length === 5 || path.charCodeAt(5) === slash)) {
    return 'is below .meta, which is famfs’s own';
  }
  return undefined;
}

/** Bytes that a UTF-16 code unit adds in UTF-8; the halves of a surrogate pair add two each. */
function utf8Bytes(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code >= 0xd800 && code <= 0xdfff ? 2 : 3;
}
