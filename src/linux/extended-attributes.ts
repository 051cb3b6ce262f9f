// Extended attributes of files (xattr(7)), of which Node has none. Reads only; knows no attribute.
import { checked, declareFunction } from './libc.ts';

const getxattrFunction = declareFunction('getxattr', 'long', ['str', 'str', 'void *', 'size_t']);
/** The kernel's own limit (XATTR_SIZE_MAX). */
const largestValueBytes = 65536;

/**
 * The value of an extended attribute; symbolic links are followed. Asks the file system, so on a hung mount it hangs.
 * @throws SyscallError — ENODATA when the file has no such attribute, ENOTSUP when its file system has none at all
 */
export function readExtendedAttribute(path: string, name: string): Buffer {
  if (path.includes('\0') || name.includes('\0'))
    throw new TypeError('NUL in a path or in the name of an attribute');
  const value = Buffer.alloc(largestValueBytes);
  const sizeBytes = checked('getxattr', getxattrFunction(path, name, value, value.length), path);
  return value.subarray(0, sizeBytes);
}
